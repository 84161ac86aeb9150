"""Stores on the real S3 servers, for the tests of the S3 store."""

from __future__ import annotations

import secrets
from functools import cache
from typing import Any

from tests.servers.server import S3Server

from kist.drive import drive
from kist.ports.system import Clock
from kist.stores.s3 import S3Settings, S3Store, open_blocking_store, open_store
from kist.system import SystemClock, SystemIds, wait_blocking


def settings_for(server: S3Server, **changed: Any) -> S3Settings:
    known: dict[str, Any] = {
        "endpoint": server.endpoint,
        "key": server.key,
        "secret": server.secret,
        "region": server.region,
    }
    return S3Settings(**{**known, **changed})


def in_loop(server: S3Server, *, clock: Clock | None = None, **changed: Any) -> S3Store:
    return open_store(settings_for(server, **changed), clock or SystemClock(), SystemIds())


def blocking(server: S3Server, *, clock: Clock | None = None, **changed: Any) -> S3Store:
    return open_blocking_store(settings_for(server, **changed), clock or SystemClock(wait_blocking), SystemIds())


def new_bucket(server: S3Server) -> str:
    store = blocking(server)
    bucket = f"kist-{secrets.token_hex(6)}"
    drive(store.make_bucket(bucket))
    drive(store.close())
    return bucket


@cache
def shared_bucket(server: S3Server) -> str:
    """One bucket for all tests that keep to keys of their own."""
    return new_bucket(server)
