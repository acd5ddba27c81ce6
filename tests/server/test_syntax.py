"""Syntax trees: right offsets, the same tree by either road, zones, and damage."""

from __future__ import annotations

from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midspan_server.snapshot import DocumentSnapshot
from midspan_server.syntax import Syntax, Zone, forget, parse, profile, zone_at
from midspan_server.syntax.documents import MAX_PARSED_CHARS
from midspan_server.syntax.grammars import languages, parser
from midspan_server.syntax.tree import common_prefix, common_suffix

_numbers = count()
_SAMPLES = {
    "python": "def f(x):\n    return x\n",
    "javascript": "function f(x) { return x; }\n",
    "javascriptreact": "const a = <p>{x}</p>;\n",
    "typescript": "function f(x: number): number { return x; }\n",
    "typescriptreact": "const a = <p>{x as string}</p>;\n",
    "go": "package a\n\nfunc f(x int) int { return x }\n",
    "rust": "fn f(x: i32) -> i32 { x }\n",
    "java": "class A { int f(int x) { return x; } }\n",
    "c": "int f(int x) { return x; }\n",
    "cpp": "template <class T> T f(T x) { return x; }\n",
    "csharp": "class A { int F(int x) { return x; } }\n",
    "ruby": "def f(x)\n  x\nend\n",
    "php": "<?php\nfunction f($x) { return $x; }\n",
    "shellscript": 'f() {\n  echo "$1"\n}\n',
    "html": '<p class="a">text</p>\n',
    "css": "p { color: red; }\n",
    "json": '{"a": [1, 2]}\n',
    "lua": "local function f(x)\n  return x\nend\n",
}


def _snapshot(text: str, language: str = "python", uri: str = "") -> DocumentSnapshot:
    uri = uri or f"file:///syntax/{next(_numbers)}"
    return DocumentSnapshot(uri=uri, path=None, version=1, language=language, text=text)


@pytest.mark.parametrize("language", _SAMPLES)
def test_a_grammar_parses_its_language(language: str) -> None:
    syntax = parse(_snapshot(_SAMPLES[language], language))
    assert syntax is not None
    assert syntax.damage().places == 0


@pytest.mark.parametrize("language", languages())
def test_every_listed_grammar_can_be_loaded(language: str) -> None:
    assert parser(language) is not None


def test_a_language_without_grammar_has_no_tree() -> None:
    assert parse(_snapshot("IDENTIFICATION DIVISION.", "cobol")) is None
    assert profile("cobol").elision == "# ..."


def test_a_text_that_is_too_long_has_no_tree() -> None:
    assert parse(_snapshot("x" * (MAX_PARSED_CHARS + 1))) is None


def test_a_language_that_changes_gets_its_own_tree() -> None:
    first = parse(_snapshot("x = 1\n", "python", "file:///syntax/changing"))
    second = parse(_snapshot("x = 1\n", "javascript", "file:///syntax/changing"))
    assert first is not None
    assert second is not None
    assert (first.tree.root_node.type, second.tree.root_node.type) == ("module", "program")
    forget("file:///syntax/changing")


_code = st.text(alphabet=st.sampled_from("ab1 ():=\n\t#'\"é漢😀"), max_size=60)


@given(_code, _code)
def test_a_renewed_tree_reads_the_same_text_as_a_new_one(old: str, new: str) -> None:
    renewed = Syntax.from_text("python", old).retyped(new)
    fresh = Syntax.from_text("python", new)
    assert (renewed.text, renewed.data) == (fresh.text, fresh.data)
    assert renewed.tree.root_node.end_byte == fresh.tree.root_node.end_byte


@given(st.integers(0, 30), st.sampled_from(["x", "foo()", " + 1", "\n    y = 2"]))
def test_typing_in_sound_code_gives_the_tree_that_a_new_parse_gives(at: int, typed: str) -> None:
    text = "def f(x):\n    return x\n\nf(1)\n"
    new = text[:at] + typed + text[at:]
    renewed, fresh = Syntax.from_text("python", text).retyped(new), Syntax.from_text("python", new)
    if fresh.damage().places == 0:
        assert str(renewed.tree.root_node) == str(fresh.tree.root_node)


@given(st.text(max_size=40), st.data())
def test_offsets_and_bytes_convert_both_ways(text: str, data: st.DataObject) -> None:
    syntax = Syntax.from_text("python", text)
    offset = data.draw(st.integers(0, len(text)))
    assert syntax.offset_of(syntax.byte_of(offset)) == offset


def test_lone_surrogates_keep_their_place() -> None:
    syntax = Syntax.from_text("python", "a = '\ud83d' + bcd")
    assert syntax.offset_of(syntax.byte_of(10)) == 10


@given(st.text("ab", max_size=12), st.text("ab", max_size=12))
def test_common_ends_are_the_longest(first: str, second: str) -> None:
    start = common_prefix(first, second)
    assert first[:start] == second[:start]
    assert first[start : start + 1] != second[start : start + 1] or start == min(
        len(first), len(second)
    )
    limit = min(len(first), len(second)) - start
    tail = common_suffix(first, second, limit)
    assert first[len(first) - tail :] == second[len(second) - tail :]
    assert tail == limit or first[-1 - tail] != second[-1 - tail]


@pytest.mark.parametrize(
    ("language", "marked", "zone"),
    [
        ("python", "x = 1|", Zone.CODE),
        ("python", "x = 1  # why|", Zone.COMMENT),
        ("python", "x = 'why|'", Zone.STRING),
        ("python", "x = 'why'|", Zone.CODE),
        ("python", "x = 'why|", Zone.STRING),
        ("python", 'x = """one\ntwo| three"""', Zone.STRING),
        ("python", "x = f'{why|}'", Zone.CODE),
        ("python", "x = '#'|", Zone.CODE),
        ("typescript", "// why|", Zone.COMMENT),
        ("typescript", "/* why| */", Zone.COMMENT),
        ("typescript", "/* why */|", Zone.CODE),
        ("typescript", "const x = `a ${b|} c`;", Zone.CODE),
        ("typescript", "const x = `a| ${b} c`;", Zone.STRING),
        ("rust", "fn f<'a>(x: &'a str|) {}", Zone.CODE),
        ("cobol", "x = 'don|", Zone.STRING),
        ("cobol", "don't|", Zone.CODE),
        ("cobol", "x  # why|", Zone.COMMENT),
    ],
)
def test_the_zone_of_a_cursor(language: str, marked: str, zone: Zone) -> None:
    offset = marked.index("|")
    text = marked.replace("|", "")
    before = text[:offset].rsplit("\n", 1)[-1]
    assert zone_at(_snapshot(text, language), offset, before) is zone


def test_broken_code_has_damage_and_its_repair_has_none() -> None:
    syntax = Syntax.from_text("typescript", "f(a;\ng();\n")
    assert syntax.damage().places > 0
    assert syntax.replaced(3, 3, ")").damage().places == 0


def test_comment_styles_give_elisions_that_read_as_code() -> None:
    assert profile("go").elision == "// ..."
    assert profile("css").elision == "/* ... */"
    assert profile("html").elision == "<!-- ... -->"
    assert profile("lua").elision == "-- ..."
