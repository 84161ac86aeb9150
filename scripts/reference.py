"""Writes ``docs/reference/`` from the code: settings, errors, routes, commands, chores, checks, metrics.

``python -m scripts.reference`` replaces what stands between the marks ``<!-- generated: name -->`` and
``<!-- end -->``; the prose around them is written by hand. ``--check`` only says which pages are out of date.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

from scripts.reference_api import (
    crowdbotics_routes,
    dabapps_routes,
    filedrop_routes,
    native_routes,
    native_shapes,
    s3sync_routes,
    syncano_routes,
)
from scripts.reference_cli import commands, exit_codes
from scripts.reference_probe import bucket_policy, checks, cors, signing_policy
from scripts.reference_tables import chores, client_settings, error_table, error_tree, metrics, settings

PAGES = Path(__file__).parents[1] / "docs" / "reference"
PARTS: dict[str, Callable[[], str]] = {
    "settings": settings,
    "client settings": client_settings,
    "error tree": error_tree,
    "errors": error_table,
    "native routes": native_routes,
    "native shapes": native_shapes,
    "filedrop routes": filedrop_routes,
    "crowdbotics routes": crowdbotics_routes,
    "dabapps routes": dabapps_routes,
    "syncano routes": syncano_routes,
    "s3sync routes": s3sync_routes,
    "commands": commands,
    "exit codes": exit_codes,
    "chores": chores,
    "checks": checks,
    "signing policy": signing_policy,
    "bucket policy": bucket_policy,
    "cors rule": cors,
    "metrics": metrics,
}
_MARKED = re.compile(r"(<!-- generated: (.+?) -->\n).*?(<!-- end -->)", re.DOTALL)


def generated(text: str) -> str:
    """A page with each marked part made anew. ``KeyError`` for a mark that nothing is generated for."""
    return _MARKED.sub(lambda match: f"{match[1]}\n{PARTS[match[2]]().strip()}\n\n{match[3]}", text)


def marks(text: str) -> list[str]:
    """The names of the parts that a page has."""
    return [match[2] for match in _MARKED.finditer(text)]


def main() -> None:
    """Write the pages, or say which are out of date and leave with 1."""
    outdated = []
    for path in sorted(PAGES.glob("*.md")):
        text = path.read_text(encoding="utf-8")
        if (anew := generated(text)) != text:
            outdated.append(path.name)
            if "--check" not in sys.argv:
                path.write_text(anew, encoding="utf-8")
    sys.stdout.write("".join(f"{name}\n" for name in outdated))
    sys.exit(1 if outdated and "--check" in sys.argv else 0)


if __name__ == "__main__":
    main()
