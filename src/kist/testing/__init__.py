"""For tests of Kist and of what others build on it: contract suites, fakes, faults and failpoints."""

from __future__ import annotations

import sys

if "pytest" in sys.modules:  # so that a failing suite shows the values; child processes need no pytest
    import pytest

    for _suite in ("stores", "store_listing", "store_abilities", "store_races", "catalogues"):
        pytest.register_assert_rewrite(f"kist.testing.{_suite}")
