"""Where a contract finds a file by name instead of by id: ``<owner>/<name>`` in a bucket that it keeps."""

from __future__ import annotations

import msgspec

from kist.errors import BadName
from kist.model.actor import check_actor_id
from kist.model.place import check_bucket, check_key


class Address(msgspec.Struct, frozen=True):
    """At most one ready file of ``bucket`` has the address ``text``.

    It follows the rules of object keys (``BadName`` otherwise) though it never becomes one: the bytes lie at a random
    key, and the address stands in the row alone.
    """

    bucket: str
    text: str

    def __post_init__(self) -> None:
        check_bucket(self.bucket)
        check_key(self.text)

    @property
    def owner(self) -> str | None:
        """The actor whose files these are: the whole of the first segment. None where there is but one, or no id."""
        first, slash, _ = self.text.partition("/")
        try:
            return check_actor_id(first) if slash else None
        except BadName:
            return None

    @property
    def name(self) -> str:
        """What the file is called: the rest behind its owner, or all of it."""
        return self.text if self.owner is None else self.text.partition("/")[2]
