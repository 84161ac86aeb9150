"""The tables of settings, errors and chores for ``docs/reference/``."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator, Sequence

from kist import errors
from kist.chores.schedule import CHORES
from kist.dialects import filedrop, native
from kist.errors import KistError
from kist.metrics import LEVELS, Prometheus
from kist.setting_list import SETTINGS
from kist.system import SystemClock
from kist.wire.call import Call
from kist.wire.routes import Dialect

CLIENT = {
    "KIST_S3_ENDPOINT": "the S3 server that `s3://` means in `kist sync`, with the keys in `KIST_S3_KEY` and "
    "`KIST_S3_SECRET`; of the environment alone",
    "KIST_SERVER": "the server that commands talk to, as `--server` does; without it they work on the local home",
    "KIST_KEY": "the key to show it",
}

ADVICE = {
    "BadName": "send a name that keeps the [rules](../files-policy.md#names)",
    "BadRange": "ask for bytes that are there; `size` says how many there are",
    "BadChecksum": "send the bytes again; `received` is the sha256 that arrived",
    "SourceRefused": "name a folder below one of the roots in `KIST_SYNC_ROOTS`",
    "EndpointRefused": "name a server of `KIST_SYNC_ENDPOINTS` and send its keys, both, in the body; without them "
    "Kist's own store is meant",
    "EndpointRedirects": "name the address that the S3 server itself answers at; redirects are never followed",
    "WrongType": "send the media type that the answer names; no `Content-Encoding`; with "
    "`KIST_TYPE_MISMATCH=reject`, declare the type that the bytes have",
    "TooLarge": "send less; `limit` is what is allowed, `KIST_MAX_UPLOAD_SIZE` raises it for files",
    "WrongMethod": "use one of the methods in `Allow`",
    "FileMissing": "list the files to see what is there; another user's file looks the same as none",
    "ObjectMissing": "seen by those who write stores; callers get `corrupt` when a file's bytes are missing",
    "BucketMissing": "make it, or name another; left out, it is the base bucket. At a start: `kist doctor` makes it",
    "UploadMissing": "begin the upload again",
    "LinkMissing": "ask for a new link: it was revoked, has expired, is used up, or never was",
    "ShareMissing": "look at the shares of the file: it is not shared with that actor",
    "KeyMissing": "look at the list of keys: it is revoked already or never was",
    "JobMissing": "list the jobs to see what is there; another user's looks the same as none",
    "SourceMissing": "look at the source of the job: it is not there, cannot be opened, or is empty",
    "NotSignedIn": "send a valid key as `Authorization: Bearer`, or as the password of Basic",
    "NotAllowed": "use an admin's key, or ask the owner for a share that grants it",
    "Expired": "ask for a new ticket",
    "TooMany": "come back after `Retry-After` seconds",
    "OverQuota": "remove files first; `quota` names what is exceeded, `limit` how much is allowed",
    "Clash": "read again and decide again; the server has tried 100 times",
    "WrongState": "send the upload again, or start it over: it has ended",
    "InProgress": "ask again after `Retry-After` seconds with the same `Idempotency-Key`",
    "Incomplete": "send all the bytes that were declared; nothing was kept",
    "UploadRefused": "start the upload over; `reason` says which rule the bytes broke",
    "AlreadyThere": "choose another name",
    "BucketNotEmpty": "remove what is in the bucket first, or cancel its sync",
    "Stale": "read the file again, then decide again; `If-Match` named an older content",
    "UnsafeWay": "send the file to `POST /v1/files`; operators: `kist doctor --probe`, and a restricted signing key",
    "StoreUnavailable": "come back after `Retry-After` seconds; operators: `kist doctor`",
    "CatalogueBusy": "come back after `Retry-After` seconds, with the same `Idempotency-Key`",
    "StoreFull": "operators: make room on the disk or in the store; removing files still works",
    "Busy": "come back after `Retry-After` seconds",
    "NotStarted": "come back after `Retry-After` seconds; operators: the log says what is wrong with the set-up",
    "StoreRefused": "operators: `kist doctor` says what the store does not allow",
    "Corrupt": "operators: restore the object from a backup; the log names the file",
    "Misconfigured": "operators: the message names the setting and what to write",
    "ClockSkew": "operators: set the clock right",
    "LeaseLost": "seen by those who write workers; a job that is taken over goes on elsewhere",
}
"""What to do about each error."""


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def first_words(thing: object) -> str:
    """The first paragraph of a docstring, on one line, with code as Markdown spells it."""
    paragraph = (inspect.getdoc(thing) or "").partition("\n\n")[0]
    return " ".join(paragraph.split()).replace("``", "`")


def settings() -> str:
    """Every setting of the service."""
    rows = (
        (
            f"`{each.name}`",
            each.default if " " in each.default or each.default == "none" else f"`{each.default}`",
            each.meaning.replace("<", "&lt;"),
            ", ".join(f"`{name}`" for name in each.older),
        )
        for each in SETTINGS
    )
    return table(("setting", "default", "meaning", "older names"), rows)


def client_settings() -> str:
    """What the command line reads when it is a client."""
    return table(("setting", "meaning"), [(f"`{name}`", meaning) for name, meaning in CLIENT.items()])


def leaves() -> Iterator[type[KistError]]:
    """Every error that is raised itself, in the order of the module."""
    every = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, KistError)]
    yield from sorted((kind for kind in every if not kind.__subclasses__()), key=_line)


def raised_branches() -> Iterator[type[KistError]]:
    """The branches that are raised as well, where no leaf says more."""
    yield from (errors.Invalid, errors.Missing, errors.Unsupported, errors.Broken, errors.Stopped)


BRANCH_ADVICE = {
    "Invalid": "mend the request; `detail` says what is wrong with it",
    "Missing": "look at the address: there is nothing there",
    "Unsupported": "use a store that can do it",
    "Broken": "operators: look at the log",
    "Stopped": "start it again",
}


def error_table() -> str:
    """Every error: its code, its status in both dialects, what it means and what to do."""
    kinds = sorted({*leaves(), *raised_branches()}, key=_line)
    advice = ADVICE | BRANCH_ADVICE
    rows = (
        (
            f"`{kind.code}`",
            str(status(native.DIALECT, kind)),
            str(status(filedrop.DIALECT, kind)),
            "yes" if kind.retry else "",
            first_words(kind),
            advice[kind.__name__],
        )
        for kind in kinds
    )
    return table(("code", "native", "FILE DROP", "retry", "meaning", "what to do"), rows)


def error_tree() -> str:
    """The tree as the module draws it."""
    drawing = (errors.__doc__ or "").split("\n\n")[1]
    return f"```text\n{drawing}\n```"


def chores() -> str:
    """Every chore."""
    rows = ((f"`{each.name}`", f"{each.every.total_seconds():.0f} s", _duty(each.run)) for each in CHORES)
    return table(("chore", "every", "what it does"), rows)


def metrics() -> str:
    """Every metric, as ``/metrics`` itself describes it."""
    shown = Prometheus(SystemClock()).shown(dict.fromkeys(LEVELS, 0.0)).body.decode()
    described = re.findall(r"^# HELP (\w+) (.+)\n# TYPE \w+ (\w+)$", shown, re.MULTILINE)
    return table(("metric", "type", "what it is"), [(f"`{name}`", kind, meaning) for name, meaning, kind in described])


def _duty(run: object) -> str:
    return (getattr(inspect.getmodule(run), "__doc__", None) or "").partition("\n\n")[0].strip()


def status(dialect: Dialect, kind: type[KistError]) -> int:
    """The HTTP status with which ``dialect`` answers an error of that kind."""
    return dialect.show_error(kind("…"), Call(method="GET", path="/")).status


def _line(kind: type[KistError]) -> int:
    return inspect.getsourcelines(kind)[1]
