"""Which table and columns hold which row of the model: the one description that statements and decoders come from."""

from __future__ import annotations

import types
from collections.abc import Callable, Sequence
from typing import Any, Generic, NamedTuple, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec

from kist.catalogues.sql.codecs import Codec
from kist.model.bucket import Bucket
from kist.model.changes import GUARDS, Row
from kist.model.file import File
from kist.model.job import Compared, Entry, Job, Step
from kist.model.link import Link
from kist.model.names import fold
from kist.model.profile import Profile
from kist.model.rows import AuditEntry, Doomed, Idempotency, Key, Latch, SealedKeys, Usage
from kist.model.share import Share
from kist.model.upload import Upload

R = TypeVar("R")


class Derived(NamedTuple):
    """A column that no field of the row has: made from the field ``source``."""

    name: str
    source: str
    make: Callable[[Any], Any]


class Table(Generic[R]):
    """A table whose columns are the fields of a row type, in order, and then the derived ones.

    ``former``: columns that rows have had fields for, and have no more. Migrations take none away.
    """

    def __init__(
        self,
        name: str,
        row: type[R],
        *,
        identity: tuple[str, ...],
        derived: tuple[Derived, ...] = (),
        former: frozenset[str] = frozenset(),
    ):
        self.former = former
        self.name = name
        self.row = row
        self.identity = identity
        self.derived = derived
        hints = get_type_hints(row)
        self.kinds: dict[str, type] = {
            field.name: _plain(hints[field.name])
            for field in msgspec.structs.fields(row)  # type: ignore[arg-type,unused-ignore]
        }
        self.fields = tuple(self.kinds)
        self.columns = self.fields + tuple(column.name for column in derived)
        self.guards = (*identity, *GUARDS.get(row, ()))

    def select(self, rest: str) -> str:
        """The query of whole rows, in the order that ``RowCodec.decode`` takes."""
        return " ".join(("SELECT", ", ".join(self.fields), "FROM", self.name, rest))

    def qualified(self) -> str:
        """The fields with the table's name before each, for a query of more than one table."""
        return ", ".join(f"{self.name}.{field}" for field in self.fields)


def _plain(hint: Any) -> type:
    """The bare type of a field: without ``| None`` and without what it is a dictionary of."""
    if get_origin(hint) in (Union, types.UnionType):
        hint = next(part for part in get_args(hint) if part is not type(None))
    kind = get_origin(hint) or hint
    assert isinstance(kind, type)
    return kind


FILES = Table("files", File, identity=("id",), derived=(Derived("folded", "name", fold),))
UPLOADS = Table("uploads", Upload, identity=("id",))
KEYS = Table("keys", Key, identity=("id",))
USAGE = Table("usage", Usage, identity=("owner",))
DOOMED = Table("doomed", Doomed, identity=("id",))
IDEMPOTENCY = Table("idempotency", Idempotency, identity=("actor", "key"))
AUDIT = Table("audit", AuditEntry, identity=("id",))
SHARES = Table("shares", Share, identity=("file_id", "actor"))
LINKS = Table("links", Link, identity=("id",))
PROFILES = Table("profiles", Profile, identity=("id",))
BUCKETS = Table("buckets", Bucket, identity=("name",))

JOBS = Table("jobs", Job, identity=("id",))
STEPS = Table("steps", Step, identity=("job", "key"))
ENTRIES = Table("entries", Entry, identity=("dest", "key"), former=frozenset({"sha256"}))
LATCHES = Table("latches", Latch, identity=("name",))
SEALED_KEYS = Table("sealed_keys", SealedKeys, identity=("job",))
COMPARED = Table("compared", Compared, identity=("sync", "key"))

_FIRST = (FILES, UPLOADS, KEYS, USAGE, DOOMED, IDEMPOTENCY, AUDIT, SHARES, LINKS, PROFILES, BUCKETS)
_ALL = (*_FIRST, JOBS, STEPS, ENTRIES, SEALED_KEYS, COMPARED, LATCHES)
TABLES: dict[type, Table[Any]] = {table.row: table for table in _ALL}


def table_of(row: Row) -> Table[Any]:
    """The table that holds rows like this one."""
    return TABLES[type(row)]


class RowCodec(Generic[R]):
    """Rows of one table, to and from what the driver carries."""

    def __init__(self, table: Table[R], codec: Codec):
        self._table = table
        self._encoders = {name: codec.encoder(kind) for name, kind in table.kinds.items()}
        self._encoding = tuple((name, encode) for name, encode in self._encoders.items() if encode is not None)
        found = ((at, codec.decoder(kind)) for at, kind in enumerate(table.kinds.values()))
        self._decoders = tuple((at, decode) for at, decode in found if decode is not None)

    def decode(self, cells: Sequence[Any]) -> R:
        """The row whose fields are ``cells``, in the order of ``Table.select``."""
        values = list(cells)
        for at, decode in self._decoders:
            if values[at] is not None:
                values[at] = decode(values[at])
        return self._table.row(**dict(zip(self._table.fields, values, strict=True)))

    def decode_all(self, rows: Sequence[Sequence[Any]]) -> tuple[R, ...]:
        return tuple(map(self.decode, rows))

    def cell(self, name: str, value: Any) -> Any:
        """What the driver is given for ``value`` in the column of that field."""
        encode = self._encoders[name]
        return value if encode is None or value is None else encode(value)

    def encode(self, row: R) -> dict[str, Any]:
        """Every column of the row by name."""
        cells = msgspec.structs.asdict(row)  # type: ignore[arg-type,unused-ignore]
        for name, encode in self._encoding:
            if cells[name] is not None:
                cells[name] = encode(cells[name])
        for name, source, make in self._table.derived:
            cells[name] = make(getattr(row, source))
        return cells
