"""What every view of the host owes, looked at in this process."""

from __future__ import annotations

from typing import Any

import pytest
from tests.django_host.databases import in_process

in_process()

from django.core.handlers.base import BaseHandler  # noqa: E402
from django.db import connections  # noqa: E402
from django.test import Client, override_settings  # noqa: E402
from django.urls import URLPattern, URLResolver, get_resolver  # noqa: E402


def views(patterns: list[Any]) -> list[Any]:
    """Those of Kist, at whatever depth."""
    found = []
    for pattern in patterns:
        if isinstance(pattern, URLResolver) and pattern.app_name != "admin":
            found += views(pattern.url_patterns)
        elif isinstance(pattern, URLPattern) and pattern.callback.__module__ == "kist.django.host.views":
            found.append(pattern.callback)
    return found


def test_no_transaction_is_put_around_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connections.settings["default"], "ATOMIC_REQUESTS", True)
    found = views(get_resolver().url_patterns)
    assert len(found) > 40
    assert [view for view in found if BaseHandler().make_view_atomic(view) is not view] == []


def test_settings_that_cannot_work_are_told_in_the_words_of_the_contract() -> None:
    for wrong in ({"STORE": "nowhere:"}, {"STOER": "disk:/tmp"}):
        with override_settings(KIST=wrong):
            answer = Client(raise_request_exception=False).post("/s3-file-uploads/")
        assert (answer.status_code, set(answer.json())) == (500, {"detail"})
