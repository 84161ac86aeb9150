"""What may be written into the settings of direct uploads, links and limits."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from kist.errors import Misconfigured
from kist.model.endpoint import Endpoint
from kist.model.file import Visibility
from kist.settings import Settings, read_settings


def read(tmp_path: Path, **environment: str) -> Settings:
    return read_settings({"KIST_HOME": str(tmp_path)} | environment, tmp_path)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("KIST_TYPES", "image/*, Application/PDF", ("image/*", "application/pdf")),
        ("KIST_QUOTA_BYTES", "10GiB", 10 << 30),
        ("KIST_QUOTA_FILES", "500", 500),
        ("KIST_OPEN_UPLOADS", "3", 3),
        ("KIST_RATE_KEY", "600/min", (600, 60.0)),
        ("KIST_RATE_ADDRESS", "20 / s", (20, 1.0)),
        ("KIST_VISIBILITIES", "public-read", (Visibility.PRIVATE, Visibility.PUBLIC_READ)),
        ("KIST_BUCKET_ACLS", "1", True),
        ("KIST_LINK_LIFE", "90", timedelta(seconds=90)),
        ("KIST_LINK_LIFE_MAX", "30d", timedelta(days=30)),
        ("KIST_LINKS", "stream", "stream"),
        ("KIST_SYNC_ROOTS", "a=/x, b=/y/z", {"a": Path("/x"), "b": Path("/y/z")}),
        (
            "KIST_SYNC_ENDPOINTS",
            "https://a.example, internal:http://b:9000/,internal:https://[::1],https://C.example:443?region=eu-1",
            (
                Endpoint(scheme="https", host="a.example", port=443),
                Endpoint(scheme="http", host="b", port=9000, internal=True),
                Endpoint(scheme="https", host="::1", port=443, internal=True),
                Endpoint(scheme="https", host="c.example", port=443, region="eu-1"),
            ),
        ),
        ("KIST_SYNC_REMOVE_BUCKET", "1", True),
    ],
)
def test_what_is_understood(tmp_path: Path, name: str, text: str, value: Any) -> None:
    settings = read(tmp_path, **{name: text})
    assert getattr(settings, name.removeprefix("KIST_").lower()) == value
    assert settings.limits.open_uploads


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("KIST_TYPES", "pictures"),
        ("KIST_QUOTA_BYTES", "lots"),
        ("KIST_QUOTA_FILES", "0"),
        ("KIST_OPEN_UPLOADS", "-1"),
        ("KIST_RATE_KEY", "600"),
        ("KIST_RATE_ADDRESS", "0/s"),
        ("KIST_VISIBILITIES", "world"),
        ("KIST_LINK_LIFE", "soon"),
        ("KIST_LINK_LIFE_MAX", "0s"),
        ("KIST_LINKS", "maybe"),
        ("KIST_SECRET", "short"),
        ("KIST_SECRET", "a" * 64),
    ],
)
def test_what_is_not(tmp_path: Path, name: str, text: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        read(tmp_path, **{name: text})
    assert name in str(caught.value)
    if name == "KIST_SECRET":
        assert text not in str(caught.value)


def test_one_limit_holds_for_every_door(tmp_path: Path) -> None:
    limits = read(tmp_path, KIST_MAX_UPLOAD_SIZE="100MiB").limits
    assert limits.max_upload_size == limits.max_direct_size == 100 << 20
    assert read(tmp_path).limits.max_direct_size == 5 << 40


def test_a_default_life_is_never_longer_than_the_longest(tmp_path: Path) -> None:
    assert read(tmp_path, KIST_LINK_LIFE_MAX="5m").limits.link_life == timedelta(minutes=5)
