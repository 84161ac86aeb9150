"""Log lines as JSON: one line each, whatever names and headers hold (T80)."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import TextIO

import msgspec

MAX_LINE = 8192
access = logging.getLogger("kist.access")


class AccessLine(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What is kept of a request: no query, no header, no credential."""

    address: str
    method: str
    path: str
    status: int
    received: int
    sent: int
    ms: float
    dialect: str = ""
    route: str = ""
    actor: str = ""
    via: str | None = None
    cut: bool = False


def write_access(line: AccessLine) -> None:
    """Log one request."""
    access.info("%s %s %d", line.method, line.path, line.status, extra={"request": line})


class JsonLines(logging.Formatter):
    """Every record as one line of JSON, at most 8 KiB long."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC),
            "level": record.levelname,
            "logger": record.name,
        }
        request = getattr(record, "request", None)
        if request is None:
            line["message"] = _shorten(record.getMessage())
        else:
            line["request"] = request
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)[-(MAX_LINE // 2) :]
        return _printable(msgspec.json.encode(line).decode())


def log_to(stream: TextIO | None = None, level: int = logging.INFO) -> None:
    """Write what Kist and its server log to ``stream`` (standard error), as JSON lines."""
    target = logging.StreamHandler(stream or sys.stderr)
    target.setFormatter(JsonLines())
    for name in ("kist", "uvicorn"):
        logger = logging.getLogger(name)
        logger.handlers[:] = [target]
        logger.setLevel(level)
        logger.propagate = False


def _shorten(text: str) -> str:
    return text if len(text) <= MAX_LINE // 4 else text[: MAX_LINE // 4] + "…"


def _printable(line: str) -> str:
    # JSON leaves DEL, the C1 controls and the line separators as they are; a terminal does not.
    if line.isprintable():
        return line
    # DEL is the one of them in ASCII, where json would leave it as well.
    line = line.replace("\x7f", "\\u007f")
    return "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in line)
