"""The application's own users: they sign in with a password and carry a cookie. Kist knows nothing of this."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from dataclasses import dataclass

from fastapi import HTTPException
from starlette.requests import HTTPConnection

from kist import Actor

COOKIE = "session"
SALT = os.urandom(16)


def _hashed(password: str) -> bytes:
    return hashlib.scrypt(password.encode(), salt=SALT, n=1 << 14, r=8, p=1)


PEOPLE = {name: _hashed(f"{name}s password") for name in ("ann", "bob")}
"""A real application has them in its database."""
SESSIONS: dict[str, str] = {}


@dataclass
class Credentials:
    """What a user signs in with."""

    name: str
    password: str


def sign_in(given: Credentials) -> str:
    """The value of the cookie; 401 for a wrong password."""
    if not hmac.compare_digest(PEOPLE.get(given.name, b""), _hashed(given.password)):
        raise HTTPException(401, "this name and password do not fit")
    session = secrets.token_urlsafe(32)
    SESSIONS[session] = given.name
    return session


async def actor(connection: HTTPConnection) -> Actor | None:
    """Who is calling, as Kist is told: the id is the user's name. None for whoever has not signed in."""
    name = SESSIONS.get(connection.cookies.get(COOKIE, ""))
    return None if name is None else Actor(name)


async def signed_in(connection: HTTPConnection) -> Actor:
    """The same for handlers that want somebody."""
    found = await actor(connection)
    if found is None:
        raise HTTPException(401, "sign in first")
    return found
