"""The same servers as the acceptance tests."""

from __future__ import annotations

from tests.acceptance.conftest import site, stored

__all__ = ["site", "stored"]
