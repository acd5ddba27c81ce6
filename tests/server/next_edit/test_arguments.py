"""Keyword arguments in another file than the function."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from midspan_server.next_edit.follow import Renames

if TYPE_CHECKING:
    from tests.server.next_edit.conftest import Desk

_FUNCTION = "def scale(width):\n    pass\n"
_CALL = "from a import scale\nscale(width=3)\n"


def _places(desk: Desk, home: str, there: str, number: int = 0) -> list[tuple[int, str]]:
    """Lines of the other file where something is offered, and the new text of the line."""
    desk.open("a.py", home)
    other = desk.open("b.py", there)
    desk.replace("a.py", "width", "breadth", number)
    found = Renames().proposals(desk.hunks(), desk.open_documents())
    edits = [one for one in found if one.snapshot is other]
    return [(one.line, one.applied().split("\n")[one.line]) for one in edits]


@pytest.mark.parametrize(
    ("home", "there", "expected"),
    [
        (_FUNCTION, _CALL, "scale(breadth=3)"),
        (_FUNCTION, "from a import scale as s\ns(width=3)\n", "s(breadth=3)"),
        (_FUNCTION, "import a\na.scale(width=3)\n", "a.scale(breadth=3)"),
        (
            "class scale:\n    def __init__(self, width):\n        pass\n",
            _CALL,
            "scale(breadth=3)",
        ),
        ("@dataclass\nclass scale:\n    width: int\n", _CALL, "scale(breadth=3)"),
    ],
)
def test_the_call_of_an_imported_function(desk: Desk, home: str, there: str, expected: str) -> None:
    assert _places(desk, home, there) == [(1, expected)]


@pytest.mark.parametrize(
    ("home", "there"),
    [
        (_FUNCTION, "from c import scale\nscale(width=3)\n"),
        (_FUNCTION, "from a import other as scale\nscale(width=3)\n"),
        (_FUNCTION, "scale(width=3)\n"),
        (_FUNCTION, "from a import scale\ndef f(scale):\n    scale(width=3)\n"),
        (_FUNCTION, "from a import scale\nscale(other(width=3))\n"),
        (_FUNCTION, "from a import scale\nx.scale(width=3)\n"),
        (_FUNCTION, "from a import scale\nscale(width)\n"),
        (_FUNCTION + _FUNCTION, _CALL),
        ("class A:\n    def scale(self, width):\n        pass\ndef scale(): pass\n", _CALL),
        ("def f():\n    def scale(width):\n        pass\n", _CALL),
        ("class scale:\n    def f(self, width):\n        pass\n", _CALL),
    ],
)
def test_quiet_where_another_function_may_be_called(desk: Desk, home: str, there: str) -> None:
    assert _places(desk, home, there) == []


def test_the_parameter_of_a_constructor_is_not_the_field(desk: Desk) -> None:
    home = "class scale:\n    width: int = 1\n    def __init__(self, width):\n        pass\n"
    assert _places(desk, home, _CALL) == []
