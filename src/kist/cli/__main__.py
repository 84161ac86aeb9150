"""``python -m kist.cli`` is ``kist``."""

from __future__ import annotations

from kist.cli import main

main()
