"""Keys from AWS's chain: found, renewed before they expire, and explained when there are none."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from tests.unit.s3.stub import Stub, found

from kist.drive import drive, right_here
from kist.errors import Misconfigured, StoreUnavailable
from kist.model.place import Place
from kist.stores.s3.credentials import ChainIdentity
from kist.testing.clock import FakeClock

PLACE = Place("bucket", "key")


class Frozen(NamedTuple):
    access_key: str
    secret_key: str
    token: str | None


class Provider:
    """Credentials as botocore hands them out."""

    def __init__(self) -> None:
        self.frozen = Frozen("FIRST", "secret", "token")
        self.asked = 0
        self._expiry_time = datetime(2026, 1, 1, 12, 30, tzinfo=UTC)

    def get_frozen_credentials(self) -> Frozen:
        self.asked += 1
        if not self.frozen.access_key:
            raise RuntimeError("no metadata service")
        return self.frozen


@pytest.fixture
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def test_keys_are_renewed_while_requests_are_sent() -> None:
    clock, provider = FakeClock(), Provider()
    identity = ChainIdentity("us-east-1", clock, right_here, provider=provider)
    for _ in range(10):
        drive(identity.renew())
    assert provider.asked == 1
    provider.frozen = Frozen("SECOND", "secret", None)
    clock.advance(61)
    assert identity.signer().credential.key == "FIRST", "nothing is looked up while signing"
    drive(identity.renew())
    assert identity.signer().credential.key == "SECOND"


def test_keys_are_renewed_where_only_signatures_are_made() -> None:
    clock, provider = FakeClock(), Provider()
    identity = ChainIdentity("us-east-1", clock, right_here, provider=provider)
    provider.frozen = Frozen("SECOND", "secret", None)
    clock.advance(121)
    assert identity.signer().credential.key == "SECOND"
    same = identity.signer()
    clock.advance(121)
    assert identity.signer() is same


def test_the_end_of_a_key_is_its_own_though_it_is_renewed_meanwhile() -> None:
    class Renewing(Provider):
        def get_frozen_credentials(self) -> Frozen:
            old = super().get_frozen_credentials()
            if self.asked == 1:  # another thread has new ones just now
                self.frozen = Frozen("SECOND", "secret", None)
                self._expiry_time = datetime(2026, 1, 1, 18, 30, tzinfo=UTC)
            return old

    identity = ChainIdentity("us-east-1", FakeClock(), right_here, provider=Renewing())
    assert identity.signer().credential.key == "SECOND"
    assert identity.signer().credential.expires_at == datetime(2026, 1, 1, 18, 30, tzinfo=UTC)


def test_a_chain_that_fails_is_worth_another_try() -> None:
    clock, provider = FakeClock(), Provider()
    identity = ChainIdentity("us-east-1", clock, right_here, provider=provider)
    provider.frozen = Frozen("", "", None)
    clock.advance(61)
    with pytest.raises(StoreUnavailable):
        drive(identity.renew())
    provider.frozen = Frozen("SECOND", "secret", None)
    clock.advance(61)
    drive(identity.renew())
    assert identity.signer().credential.key == "SECOND"


def test_links_end_with_the_keys_that_signed_them() -> None:
    from kist.stores.s3.address import Addresses
    from kist.stores.s3.presigning import Presigner

    clock = FakeClock()
    identity = ChainIdentity("us-east-1", clock, right_here, provider=Provider())
    presigner = Presigner(Addresses("http://store", "us-east-1"), identity, identity, clock)
    signed = presigner.request("GET", PLACE, timedelta(hours=1), headers=(), query=(), since=None)
    assert signed.expires_at == datetime(2026, 1, 1, 12, 30, tzinfo=UTC)
    assert "X-Amz-Security-Token=token" in signed.url


@pytest.mark.usefixtures("clean")
def test_keys_of_a_profile_are_found(tmp_path: Path) -> None:
    (tmp_path / "credentials").write_text("[default]\naws_access_key_id = PROFILE\naws_secret_access_key = s\n")
    stub = Stub(found(1, "e"))

    async def act(store: Any) -> Any:
        return await store.head(PLACE)

    stub.run(act, key=None, secret=None)
    assert "Credential=PROFILE/" in stub.asked[0].headers["authorization"]


@pytest.mark.usefixtures("clean")
def test_no_keys_anywhere() -> None:
    with pytest.raises(Misconfigured, match="KIST_S3_KEY"):
        Stub().store(key=None, secret=None)


def test_without_botocore(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "botocore.session", None)
    with pytest.raises(Misconfigured, match=r"kist\[aws\]"):
        Stub().store(key=None, secret=None)
