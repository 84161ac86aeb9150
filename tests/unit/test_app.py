"""The composition root: what it finds by name, and that a failed start leaves nothing open."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from kist import app
from kist.app import SECRET_FILE, signing_secret
from kist.errors import Misconfigured, StoreRefused
from kist.ports.wiring import Wiring
from kist.settings import Settings, read_settings
from kist.stores.memory import MemoryStore
from kist.system import SystemIds


class ClosingStore(MemoryStore):
    closed = False

    async def close(self) -> None:
        self.closed = True


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    given = {"KIST_HOME": str(tmp_path / "home"), "KIST_STORE": "memory:", "KIST_DATABASE": "memory:"}
    return read_settings(given, tmp_path)


@pytest.fixture
def stores(monkeypatch: pytest.MonkeyPatch) -> list[ClosingStore]:
    """Every store that is opened meanwhile."""
    opened: list[ClosingStore] = []

    def connect(wiring: Wiring) -> ClosingStore:
        opened.append(ClosingStore(wiring.clock, wiring.ids))
        return opened[-1]

    monkeypatch.setattr("kist.stores.memory.connect", connect)
    return opened


async def test_a_kist_closes_its_store(settings: Settings, stores: list[ClosingStore]) -> None:
    kist = await app.build(settings)
    assert [store.closed for store in stores] == [False]
    await kist.close()
    assert [store.closed for store in stores] == [True]


async def test_a_database_that_cannot_be_opened_leaves_no_store_open(
    settings: Settings, stores: list[ClosingStore], tmp_path: Path
) -> None:
    with pytest.raises(Misconfigured):
        await app.build(replace(settings, database=f"sqlite:///{tmp_path}/absent/kist.sqlite"))
    assert [store.closed for store in stores] == [True]


async def test_a_bucket_that_cannot_be_made_leaves_no_store_open(
    settings: Settings, stores: list[ClosingStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(store: MemoryStore, name: str) -> None:
        raise StoreRefused("this key may not make buckets")

    monkeypatch.setattr(ClosingStore, "make_bucket", refuse)
    with pytest.raises(StoreRefused):
        await app.build(settings)
    assert [store.closed for store in stores] == [True]


async def test_keys_of_an_identity_provider_are_read_before_anything_is_opened(
    settings: Settings, stores: list[ClosingStore], tmp_path: Path
) -> None:
    issuer = {"jwt_issuer": "https://id.example.com", "jwt_audience": "kist", "jwt_keys": tmp_path / "absent.json"}
    with pytest.raises(Misconfigured, match="KIST_JWT_KEYS"):
        await app.build(replace(settings, **issuer))  # type: ignore[arg-type]
    assert stores == []


@pytest.mark.parametrize("name", ["nonesuch", "doors", "native.nonesuch"])
def test_a_dialect_that_is_none(settings: Settings, name: str) -> None:
    with pytest.raises(Misconfigured, match=f"KIST_DIALECTS: there is no dialect '{name}'"):
        app.dialects(replace(settings, dialects=(name,)))


def test_a_fault_inside_a_dialect_is_not_taken_for_its_absence(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(name: str) -> None:
        raise ModuleNotFoundError("No module named 'absent_library'", name="absent_library")

    monkeypatch.setattr(app, "import_module", fail)
    with pytest.raises(ModuleNotFoundError):
        app.dialects(settings)


@pytest.mark.parametrize(
    ("field", "url", "setting"),
    [("store", "ftp://x", "KIST_STORE"), ("store", "nothing", "KIST_STORE"), ("database", "dbm:x", "KIST_DATABASE")],
)
async def test_a_scheme_that_nothing_serves(settings: Settings, field: str, url: str, setting: str) -> None:
    with pytest.raises(Misconfigured, match=f"{setting}: there is no"):
        await app.build(replace(settings, **{field: url}))  # type: ignore[arg-type]


def test_the_secret_is_made_once_and_kept_for_its_owner_alone(tmp_path: Path) -> None:
    settings = read_settings({"KIST_HOME": str(tmp_path)}, tmp_path)
    secret = signing_secret(settings, SystemIds())
    assert len(secret) >= 32
    assert signing_secret(settings, SystemIds()) == secret
    assert (tmp_path / SECRET_FILE).stat().st_mode & 0o777 == 0o600
    given = read_settings({"KIST_HOME": str(tmp_path), "KIST_SECRET": "0123456789abcdef" * 4}, tmp_path)
    assert signing_secret(given, SystemIds()) == b"0123456789abcdef" * 4


@pytest.mark.parametrize("text", ["", "short", "é" * 40])
def test_a_secret_that_is_none_starts_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / SECRET_FILE).write_text(text)
    with pytest.raises(Misconfigured, match="KIST_SECRET"):
        signing_secret(read_settings({"KIST_HOME": str(tmp_path)}, tmp_path), SystemIds())
