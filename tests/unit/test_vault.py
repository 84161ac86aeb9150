"""What is sealed opens with the same secret and for the same thing, and with nothing else."""

from __future__ import annotations

import pytest

from kist.errors import Corrupt
from kist.system import SystemIds
from kist.vault import AesVault

SECRET = b"a secret for tests of 32 and more characters"


def test_what_is_sealed_opens_again() -> None:
    vault = AesVault(SECRET, SystemIds())
    for plain in (b"", b"keys", bytes(range(256)) * 100):
        assert vault.open(vault.seal(plain, "job\nann"), "job\nann") == plain
    assert AesVault(SECRET, SystemIds()).open(vault.seal(b"keys", "job"), "job") == b"keys"


def test_what_is_sealed_shows_nothing_and_is_never_twice_alike() -> None:
    vault = AesVault(SECRET, SystemIds())
    sealed = {vault.seal(b"the same keys", "job") for _ in range(100)}
    assert len(sealed) == 100
    assert all(b"keys" not in each for each in sealed)


def test_it_does_not_open_for_another_thing_nor_with_another_secret() -> None:
    vault = AesVault(SECRET, SystemIds())
    sealed = vault.seal(b"keys", "job\nann")
    for about in ("job\nbob", "other\nann", "", "job"):
        with pytest.raises(Corrupt):
            vault.open(sealed, about)
    with pytest.raises(Corrupt, match="KIST_SECRET has changed"):
        AesVault(SECRET + b"x", SystemIds()).open(sealed, "job\nann")


def test_it_does_not_open_when_a_bit_has_changed() -> None:
    vault = AesVault(SECRET, SystemIds())
    sealed = vault.seal(b"keys", "job")
    for at in range(len(sealed)):
        with pytest.raises(Corrupt):
            vault.open(sealed[:at] + bytes((sealed[at] ^ 1,)) + sealed[at + 1 :], "job")
    for cut in (b"", sealed[:5], sealed[:12], sealed[:-1]):
        with pytest.raises(Corrupt):
            vault.open(cut, "job")


def test_a_vault_shows_no_secret() -> None:
    assert "secret" not in repr(AesVault(SECRET, SystemIds())).lower().replace("aesvault", "")
