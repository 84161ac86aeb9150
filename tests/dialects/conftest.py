"""The same servers as the acceptance tests."""

from __future__ import annotations

from tests.acceptance.conftest import site, stored
from tests.dialects.doorway import doorway

__all__ = ["doorway", "site", "stored"]
