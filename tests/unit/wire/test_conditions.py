"""Lists of entity tags, as If-Match and If-None-Match give them."""

from __future__ import annotations

import pytest

from kist.errors import Stale
from kist.wire.call import Call, Headers
from kist.wire.conditions import names_strongly, names_weakly, require_match, unchanged


@pytest.mark.parametrize(
    ("header", "weakly", "strongly"),
    [
        ('"a"', True, True),
        ('W/"a"', True, False),
        ('"b", W/"c" ,"a"', True, True),
        ("*", True, True),
        (" * ", True, True),
        ('"b"', False, False),
        ("a", False, False),
        ("", False, False),
        ('"a', False, False),
        ('"' * 50_001, False, False),
    ],
)
def test_lists_of_tags(header: str, weakly: bool, strongly: bool) -> None:
    assert (names_weakly(header, "a"), names_strongly(header, "a")) == (weakly, strongly)


def test_conditions_of_a_call() -> None:
    lines = Call(method="GET", path="/", headers=Headers([(b"if-match", b'"a"'), (b"if-match", b'"b"')]))
    require_match(lines, "b")
    with pytest.raises(Stale) as caught:
        require_match(lines, "c")
    assert caught.value.about == {"etag": "c"}
    assert not unchanged(lines, "a")
    require_match(Call(method="GET", path="/"), "c")
