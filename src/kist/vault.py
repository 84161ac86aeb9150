"""Encryption of what is kept in the catalogue for a while: AES-256-GCM under a key that is made from KIST_SECRET."""

from __future__ import annotations

from kist.errors import Corrupt
from kist.ports.system import Ids

NONCE = 12
KEY = 32
_PURPOSE = b"kist: keys of other S3 servers, 1"


class AesVault:
    """``Vault``. The secret itself encrypts nothing: HKDF makes a key of it for this one purpose."""

    def __init__(self, secret: bytes, ids: Ids) -> None:
        self._secret = secret
        self._ids = ids

    def seal(self, plain: bytes, about: str) -> bytes:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # large, and few need it

        nonce = bytes.fromhex(self._ids.token(NONCE))
        return nonce + AESGCM(self._key()).encrypt(nonce, plain, about.encode())

    def open(self, sealed: bytes, about: str) -> bytes:
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        try:
            return AESGCM(self._key()).decrypt(sealed[:NONCE], sealed[NONCE:], about.encode())
        except (InvalidTag, ValueError) as error:
            raise Corrupt("what was sealed cannot be opened: it is another's, or KIST_SECRET has changed") from error

    def _key(self) -> bytes:
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF

        return HKDF(algorithm=SHA256(), length=KEY, salt=None, info=_PURPOSE).derive(self._secret)
