"""Each Python with this folder on its path waits for a PostgreSQL that stands still: see tests/servers/pauses.py."""

from __future__ import annotations

from kist.catalogues.postgresql import connections, pulse, runner

PATIENCE = 30.0

pulse.LATE = connections.CONNECT_PATIENCE = runner.DOUBT_PATIENCE = PATIENCE
