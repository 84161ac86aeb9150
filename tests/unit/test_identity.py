"""Tokens of an identity provider: whom they let in, and whom not."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from kist.errors import Misconfigured, NotSignedIn
from kist.identity import TokenReader
from kist.model.actor import Actor, Role

ISSUER, AUDIENCE = "https://id.example", "kist"
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER = rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture
def reader(tmp_path: Path) -> TokenReader:
    jwk = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(KEY.public_key())) | {"kid": "k1", "alg": "RS256"}
    path = tmp_path / "keys.json"
    path.write_text(json.dumps({"keys": [jwk]}))
    return TokenReader(ISSUER, AUDIENCE, path)


def token(key: Any = KEY, algorithm: str = "RS256", headers: dict[str, str] | None = None, **claims: object) -> str:
    body = {"sub": "ann", "iss": ISSUER, "aud": AUDIENCE, "exp": time.time() + 60} | claims
    body = {name: value for name, value in body.items() if value is not None}
    return jwt.encode(body, key, algorithm=algorithm, headers={"kid": "k1"} if headers is None else headers)


def test_a_good_token_lets_its_subject_in(reader: TokenReader) -> None:
    assert reader(token()) == Actor("ann")
    assert reader(token(headers={})) == Actor("ann")
    assert reader(token(role="admin")) == Actor("ann", Role.ADMIN)
    assert reader(token(role="Admin")) == Actor("ann")


def test_what_is_no_token_is_left_to_others(reader: TokenReader) -> None:
    assert reader("kist_abc_def") is None


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": time.time() - 60},
        {"exp": None},
        {"iss": "https://other"},
        {"aud": "other"},
        {"sub": None},
        {"sub": "not an id!"},
        {"nbf": time.time() + 86_400},
        {"key": OTHER},
        {"headers": {"kid": "unknown"}},
        {"key": "x" * 64, "algorithm": "HS256"},
        {"key": None, "algorithm": "none"},
    ],
)
def test_a_bad_token_lets_nobody_in(reader: TokenReader, claims: dict[str, Any]) -> None:
    with pytest.raises(NotSignedIn):
        reader(token(**claims))
    with pytest.raises(NotSignedIn):
        reader("a.b.c")


def test_a_key_set_that_cannot_be_read_is_said_at_start(tmp_path: Path) -> None:
    (tmp_path / "keys.json").write_text("{}")
    for name in ("absent.json", "keys.json"):
        with pytest.raises(Misconfigured):
            TokenReader(ISSUER, AUDIENCE, tmp_path / name)
