"""What is read around the cursor, and that it keeps still while a person types."""

from __future__ import annotations

from itertools import count, pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from midspan_server.context import ContextSettings, OpenDocument, build_request, with_selected
from midspan_server.history import RecentEdit
from midspan_server.snapshot import DocumentSnapshot
from midspan_server.trigger import ScopeDecision

if TYPE_CHECKING:
    from collections.abc import Sequence

    from midspan_engine.protocol import InfillRequest

_numbers = count()
_SMALL = ContextSettings(prefix_chars=400, suffix_chars=100, snippet_chars=200)

_IMPORTS = "import os\nfrom decimal import Decimal\n\n\n"
_METHODS = "".join(
    f"    def step_{n}(self, value):\n        total = value + {n}\n        return total\n\n"
    for n in range(60)
)
_PYTHON = f"{_IMPORTS}class Counter(Base):\n{_METHODS}"


def _snapshot(text: str, language: str = "python", uri: str = "") -> DocumentSnapshot:
    uri = uri or f"file:///context/{next(_numbers)}.py"
    return DocumentSnapshot(uri, Path("/project/src/counter.py"), 7, language, text)


def _request(
    snapshot: DocumentSnapshot,
    offset: int,
    chosen: ContextSettings = _SMALL,
    *,
    others: Sequence[OpenDocument] = (),
    edits: Sequence[RecentEdit] = (),
    selected_text: str | None = None,
) -> InfillRequest:
    return build_request(
        snapshot,
        offset,
        request_id=3,
        session="s",
        open_documents=others,
        edits=edits,
        settings=chosen,
        scope=ScopeDecision(scope="block", block_indent=5, max_tokens=99, stop=("x",)),
        selected_text=selected_text,
    )


def _typed(
    text: str, offset: int, typed: str, chosen: ContextSettings = _SMALL
) -> list[InfillRequest]:
    """The request after each character."""
    uri = f"file:///context/typed/{next(_numbers)}"
    return [
        _request(_snapshot(text[:offset] + typed[:n] + text[offset:], uri=uri), offset + n, chosen)
        for n in range(len(typed) + 1)
    ]


def test_the_fields_are_carried_over() -> None:
    request = _request(_snapshot("x = \n"), 4)
    assert (request.id, request.session, request.document_version) == (3, "s", 7)
    assert (request.language, request.path) == ("python", "src/counter.py")
    assert (request.scope, request.block_indent, request.max_tokens) == ("block", 5, 99)
    assert request.stop == ("x",)


def test_a_small_file_is_read_whole() -> None:
    request = _request(_snapshot("a = 1\nb = \nc = 3\n"), 10)
    assert (request.prefix, request.suffix) == ("a = 1\nb = ", "\nc = 3\n")


def test_imports_and_headers_stay_when_the_middle_is_dropped() -> None:
    offset = _PYTHON.index("def step_40")
    prefix = _request(_snapshot(_PYTHON), offset).prefix
    assert prefix.startswith("import os\nfrom decimal import Decimal\n")
    assert "\nclass Counter(Base):\n    # ...\n" in prefix
    assert "step_2(" not in prefix
    assert "step_39(" in prefix


def test_the_cut_stands_at_a_definition() -> None:
    prefix = _request(_snapshot(_PYTHON), _PYTHON.index("def step_40")).prefix
    _, near = prefix.split("class Counter(Base):\n    # ...\n")
    assert near.startswith("    def step_")


def test_headers_of_several_lines_stay_whole() -> None:
    body = "".join(f"    value_{n} = {n}\n" for n in range(100))
    text = f"def build(\n    first,\n    second,\n) -> int:\n{body}    "
    prefix = _request(_snapshot(text), len(text)).prefix
    assert prefix.startswith("def build(\n    first,\n    second,\n) -> int:\n    # ...\n")


def test_imports_that_are_used_come_before_others() -> None:
    imports = "".join(f"import module_{n}\n" for n in range(40))
    text = f"{imports}\n\n" + "x = 1\n" * 100 + "module_33.run()\n" + "y = 2\n" * 20
    prefix = _request(_snapshot(text), len(text)).prefix
    assert "import module_33\n" in prefix
    assert "import module_32\n" not in prefix


@pytest.mark.parametrize(
    ("language", "header", "line", "expected"),
    [
        ("typescript", 'import { a } from "./a";\nclass A {\n', "  b{n} = {n};\n", "  // ...\n"),
        ("go", 'package a\nimport "os"\nfunc f() {\n', "\tb{n} := {n}\n", "\t// ...\n"),
        ("cobol", "import a\nbegin\n", "  b{n} = {n}\n", "  # ...\n"),
        ("lua", "local a = require 'a'\nfunction f()\n", "  b{n} = {n}\n", "  -- ...\n"),
    ],
)
def test_other_languages_keep_their_heads(
    language: str, header: str, line: str, expected: str
) -> None:
    text = header + "".join(line.replace("{n}", str(n)) for n in range(200))
    prefix = _request(_snapshot(text, language), len(text)).prefix
    assert prefix.startswith(header + expected)


def test_line_ends_of_the_head_are_the_documents() -> None:
    text = _PYTHON.replace("\n", "\r\n")
    prefix = _request(_snapshot(text), text.index("def step_40")).prefix
    assert prefix.count("\n") == prefix.count("\r\n")


def test_one_very_long_line_is_cut_anywhere() -> None:
    request = _request(_snapshot("x = '" + "a" * 1_000_000 + "'"), 500_000)
    assert 0 < len(request.prefix) <= 500
    assert 0 < len(request.suffix) <= 125


def test_dense_text_gets_fewer_characters() -> None:
    digits = "".join(f"{n:06d},\n" for n in range(2000))
    dense = _request(_snapshot(digits), len(digits) // 2, ContextSettings())
    usual = _request(_snapshot(_PYTHON), len(_PYTHON) // 2, ContextSettings())
    assert len(dense.prefix) < len(usual.prefix)


@pytest.mark.parametrize("n", [5, 25, 45])
def test_the_prefix_is_about_its_budget(n: int) -> None:
    request = _request(_snapshot(_PYTHON), _PYTHON.index(f"def step_{n}("), ContextSettings())
    assert len(request.prefix) <= 2_500
    assert len(request.suffix) <= 625


def test_the_suffix_ends_with_a_line() -> None:
    offset = _PYTHON.index("def step_20")
    suffix = _request(_snapshot(_PYTHON), offset).suffix
    assert _PYTHON[offset + len(suffix)] == "\n"


def _starts_anew(requests: list[InfillRequest]) -> int:
    return sum(not after.prefix.startswith(before.prefix) for before, after in pairwise(requests))


@given(st.integers(0, len(_PYTHON)))
@settings(max_examples=60)
def test_twenty_typed_characters_move_the_start_once_at_most(offset: int) -> None:
    requests = _typed(_PYTHON, offset, "self.compute(val[0],")
    assert _starts_anew(requests) <= 1
    assert len({request.suffix for request in requests}) == 1


def test_a_page_of_typing_moves_the_start_once_in_a_quarter_of_the_budget() -> None:
    typed = "".join(f"        item_{n} = call(self, [{n}])\n" for n in range(20))
    requests = _typed(_PYTHON, _PYTHON.index("    def step_30"), typed)
    assert _starts_anew(requests) <= len(typed) // 100 + 1


@given(st.integers(0, len(_PYTHON)))
@settings(max_examples=60)
def test_the_prefix_ends_with_what_stands_before_the_cursor(offset: int) -> None:
    request = _request(_snapshot(_PYTHON), offset)
    near = _PYTHON[max(0, offset - 240) : offset]
    assert request.prefix.endswith(near)
    assert _PYTHON[offset:].startswith(request.suffix)


@given(st.text(st.sampled_from("ab(){}:#'\n\r\t é😀"), max_size=900), st.data())
@settings(max_examples=60)
def test_any_text_can_be_cut(text: str, data: st.DataObject) -> None:
    offset = data.draw(st.integers(0, len(text)))
    request = _request(_snapshot(text), offset)
    assert text[offset:].startswith(request.suffix)
    assert request.prefix.endswith(text[max(0, offset - 200) : offset])


@pytest.mark.parametrize(
    ("prefix", "selected", "expected"),
    [
        ("x = os.pa", "path", "x = os.path"),
        ("x = os.pa", ".path", "x = os.path"),
        ("x = os.", "path", "x = os.path"),
        ("x = Pa", "parse", "x = parse"),
        ("", "print", "print"),
        ("a\nfo", "foo_bar", "a\nfoo_bar"),
    ],
)
def test_the_selected_item_replaces_the_word(prefix: str, selected: str, expected: str) -> None:
    assert with_selected(prefix, selected) == expected
    request = _request(_snapshot(prefix), len(prefix), selected_text=selected)
    assert request.prefix == expected


def _cart(uri: str = "file:///context/cart.py") -> OpenDocument:
    text = "class ShoppingCart:\n    def total_price(self, discount):\n        return 1\n"
    return OpenDocument(DocumentSnapshot(uri, Path("/project/src/cart.py"), 1, "python", text), 1.0)


_USE = "def pay(cart):\n    cart = ShoppingCart()\n    cart.total_price(discount=1)\n"


def test_snippets_come_from_other_files_that_share_identifiers() -> None:
    text = _USE + "# filler to reach the next step\n" * 3
    request = _request(_snapshot(text), len(text), others=[_cart()])
    assert [snippet.path for snippet in request.snippets] == ["src/cart.py"]


def test_a_file_is_no_snippet_of_itself() -> None:
    text = _USE + "# filler to reach the next step\n" * 3
    other = _cart("file:///context/same.py")
    assert (
        _request(_snapshot(text, uri="file:///context/same.py"), len(text), others=[other]).snippets
        == ()
    )


def test_snippets_can_be_switched_off() -> None:
    text = _USE + "# filler to reach the next step\n" * 3
    off = ContextSettings(snippets=False)
    assert _request(_snapshot(text), len(text), off, others=[_cart()]).snippets == ()


def test_snippets_keep_still_while_a_line_is_typed() -> None:
    text = _USE.ljust(101, "#")  # the anchor moves at 100
    uri = "file:///context/still.py"
    seen = {
        _request(_snapshot(text + typed, uri=uri), len(text + typed), others=[_cart()]).snippets
        for typed in ("", "t", "to", "total", "total_", "total_price")
    }
    assert len(seen) == 1


def _edit(uri: str, after: str, line: int = 0) -> RecentEdit:
    return RecentEdit(
        uri=uri, path=Path("/project/src/b.py"), before="x", after=after, line=line, at=0
    )


def test_recent_edits_elsewhere_are_read_and_those_in_sight_are_not() -> None:
    snapshot = _snapshot("a = 1\nb = \n")
    edits = [
        _edit("file:///b.py", "rate = price_of(item)"),
        _edit(snapshot.uri, "a = 1"),
        _edit("file:///b.py", "}"),
        _edit("file:///b.py", "long" * 100),
    ]
    request = _request(snapshot, 10, edits=edits)
    assert [(one.path, one.text) for one in request.snippets] == [
        ("src/b.py", "rate = price_of(item)")
    ]
    assert _request(snapshot, 10, ContextSettings(recent_edits=False), edits=edits).snippets == ()


def test_the_newest_edit_is_nearest() -> None:
    edits = [_edit("file:///b.py", f"change_{n} = {n}") for n in range(4)]
    request = _request(_snapshot("a = "), 4, edits=edits)
    assert [one.text for one in request.snippets] == ["change_2 = 2", "change_3 = 3"]
