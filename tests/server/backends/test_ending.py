from __future__ import annotations

from typing import Any

import pytest

from midspan_engine.protocol import InfillRequest
from midspan_server.backends.ending import ending


def _request(**changes: Any) -> InfillRequest:
    fields: dict[str, Any] = {"id": 1, "session": "s", "prefix": "x = "}
    return InfillRequest(**(fields | changes))


def _block(prefix: str, indent: int = 4) -> InfillRequest:
    return _request(prefix=prefix, scope="block", block_indent=indent)


@pytest.mark.parametrize(
    ("text", "kept"), [("", None), ("f(1)", None), ("f(1)\n", "f(1)"), ("f(1)\r\ny", "f(1)")]
)
def test_a_line_ends_at_its_break(text: str, kept: str | None) -> None:
    end = ending(text, _request())
    assert (end.text if end else None) == kept


@pytest.mark.parametrize(
    ("prefix", "text", "kept"),
    [
        ("if a:", "\n    b()\n    c()", None),
        ("if a:", "\n    b()\n  ", None),
        ("if a:", "\n    b()\n  c", "\n    b()"),
        ("if a:", "\n\tb()\nc", "\n\tb()"),
        ("if a:\n", "    b()\nc", "    b()"),
        ("if a:\n", "b()", ""),
        ("if a:\n    ", "b()", None),
        ("if a:", "\n    b()\n\n\n    c()", None),
        ("if a:", "\n    b()\n\n\n\n    c()", "\n    b()"),
    ],
)
def test_a_block_ends_where_a_line_is_indented_less(
    prefix: str, text: str, kept: str | None
) -> None:
    end = ending(text, _block(prefix))
    assert (end.text if end else None) == kept


def test_the_earliest_ending_counts() -> None:
    request = _request(scope="block", stop=("\n\n", ""))
    end = ending("a<|im_end|>b\n\nc", request, ("<|im_end|>",))
    assert end is not None
    assert (end.text, end.finish) == ("a", "stop")


@pytest.mark.parametrize(
    "text", ["    b()\n        c()\n\n    d()\ne()\n", "\n    b()\nc\n\n\n\nd"]
)
def test_an_ending_is_found_as_early_as_in_the_whole_and_never_moves(text: str) -> None:
    request = _block("if a:\n")
    ends = [ending(text[:length], request) for length in range(len(text) + 1)]
    first = next(end for end in ends if end is not None)
    assert {end.text for end in ends if end is not None} == {first.text}
