"""The same servers as the acceptance tests."""

from __future__ import annotations

from tests.acceptance.conftest import site, stored
from tests.dialects.crowd import crowd
from tests.dialects.doorway import doorway
from tests.dialects.grounds import serve
from tests.dialects.s3sync_elsewhere import elsewhere
from tests.dialects.s3sync_site import mirror, removing

__all__ = ["crowd", "doorway", "elsewhere", "mirror", "removing", "serve", "site", "stored"]
