"""MiniStack: an S3 emulator with the newer checksum features, which the packaged Ceph lacks."""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.servers.daemon import free_port, listens, running, wait_until
from tests.servers.server import NotStarted, S3Server
from tests.servers.users import iam_user

_PROGRAM = Path(__file__).parents[2] / ".servers/ministack/bin/ministack"
_EVERYTHING = {"Effect": "Allow", "Action": ["s3:*", "iam:*"], "Resource": "*"}


@contextmanager
def ministack() -> Iterator[S3Server]:
    """An emulator of its own for the length of the block. ``NotStarted`` where that cannot be."""
    if not _PROGRAM.exists():
        raise NotStarted("it is not installed; `make test` installs it")
    with tempfile.TemporaryDirectory(prefix="kist-ministack-") as folder:
        port = free_port()
        root = S3Server("ministack", f"http://127.0.0.1:{port}", "root", secrets.token_hex(20))
        log = Path(folder) / "ministack.log"
        with running([str(_PROGRAM)], log, _environment(folder, port, root)) as process:
            wait_until(lambda: listens(port), process, log)
            # Signatures of the root key are not looked at, those of an IAM user are: so the tests get such a user.
            yield iam_user(root, "main", [_EVERYTHING])


def _environment(folder: str, port: int, root: S3Server) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": folder,
        "AWS_ACCESS_KEY_ID": root.key,
        "AWS_SECRET_ACCESS_KEY": root.secret,
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "SERVICES": "s3,iam,sts",
        "AUTH": "true",
    }
