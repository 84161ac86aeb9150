"""Log lines as JSON: one line each, whatever names and headers hold (T80)."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import TextIO

import msgspec

from kist.system import SystemClock

MAX_LINE = 8192
access = logging.getLogger("kist.access")
_clock = SystemClock()


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


class _Line(msgspec.Struct, kw_only=True):
    time: datetime
    level: str = "INFO"
    logger: str = "kist.access"
    request: AccessLine


def writes_access() -> bool:
    """Whether anybody wants lines of requests."""
    return bool(access.handlers) or access.isEnabledFor(logging.INFO)


def write_access(line: AccessLine) -> None:
    """Log one request: through ``logging``, or where ``log_to`` was asked for it, for a third of the time, past it."""
    for handler in access.handlers:
        if isinstance(handler, AccessLines):
            handler.write_line(line)
            return
    if access.isEnabledFor(logging.INFO):
        access.info("%s %s %d", line.method, line.path, line.status, extra={"request": line})


class AccessLines(logging.StreamHandler[TextIO]):
    """Where the lines of requests go. One write for each: what was answered before a crash is there."""

    def write_line(self, line: AccessLine) -> None:
        """Write one line at once."""
        raw = msgspec.json.encode(_Line(time=_clock.now(), request=line)).decode()
        try:
            self.stream.write(_printable(raw) + "\n")
            self.stream.flush()
        except (OSError, ValueError):  # nobody reads the log any more: requests go on
            return


class JsonLines(logging.Formatter):
    """Every record as one line of JSON, at most 8 KiB long."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC),
            "level": record.levelname,
            "logger": record.name,
        }
        line["message"] = _shorten(record.getMessage())
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)[-(MAX_LINE // 2) :]
        return _printable(msgspec.json.encode(line).decode())


def log_to(stream: TextIO | None = None, level: int = logging.INFO) -> None:
    """Write what Kist and its server log to ``stream`` (standard error), as JSON lines: requests at INFO."""
    target = logging.StreamHandler(stream or sys.stderr)
    target.setFormatter(JsonLines())
    for name in ("kist", "uvicorn", "asyncio"):
        logger = logging.getLogger(name)
        logger.handlers[:] = [target]
        logger.setLevel(level)
        logger.propagate = False
    access.handlers[:] = [AccessLines(stream or sys.stderr)] if level <= logging.INFO else []


def _shorten(text: str) -> str:
    return text if len(text) <= MAX_LINE // 4 else text[: MAX_LINE // 4] + "…"


def _printable(line: str) -> str:
    # JSON leaves DEL, the C1 controls and the line separators as they are; a terminal does not.
    if line.isprintable():
        return line
    # DEL is the one of them in ASCII, where json would leave it as well.
    line = line.replace("\x7f", "\\u007f")
    return "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in line)
