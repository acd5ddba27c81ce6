"""When to suggest, and how much. `|` marks the cursor."""

from __future__ import annotations

import time
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midspan_server.snapshot import DocumentSnapshot
from midspan_server.trigger import NotHere, ScopeDecision, TriggerSettings, decide

_numbers = count()
_DEFAULT = TriggerSettings()


def _decide(
    marked: str,
    language: str = "python",
    settings: TriggerSettings = _DEFAULT,
    *,
    automatic: bool = True,
    path: Path | None = None,
) -> ScopeDecision | NotHere:
    at = marked.rindex("|")
    snapshot = DocumentSnapshot(
        uri=f"file:///trigger/{next(_numbers)}",
        path=path,
        version=1,
        language=language,
        text=marked[:at] + marked[at + 1 :],
    )
    return decide(snapshot, at, settings, automatic=automatic)


def _reason(decision: ScopeDecision | NotHere) -> str:
    assert isinstance(decision, NotHere)
    return decision.reason


def _scope(decision: ScopeDecision | NotHere) -> tuple[str, int]:
    assert isinstance(decision, ScopeDecision)
    return decision.scope, decision.block_indent


@pytest.mark.parametrize("rest", ["", "  ", ")", "])", '")', "):", " {", ");", "`,", "\r"])
def test_closers_behind_the_cursor_do_not_matter(rest: str) -> None:
    assert _scope(_decide(f"x = f(1, |{rest}\n"))[0] == "line"


@pytest.mark.parametrize("rest", ["name", "_x", "9", " + y", ") + y", "( a"])
def test_text_behind_the_cursor_does(rest: str) -> None:
    assert "middle" in _reason(_decide(f"x = a.|{rest}\n"))


def test_blanks_behind_the_cursor_cost_no_time() -> None:
    begun = time.perf_counter()
    assert "middle" in _reason(_decide(f"x = |{' ' * 1500}# c\n"))
    assert "middle" in _reason(_decide(f"x = |{')' * 1500} c\n"))
    assert time.perf_counter() - begun < 0.2


def test_reasons_that_pass_with_the_next_keystroke_are_marked() -> None:
    in_word = _decide("x = a.|name\n")
    off = _decide("x = |", settings=TriggerSettings(languages={"python": False}))
    assert isinstance(in_word, NotHere)
    assert isinstance(off, NotHere)
    assert (in_word.passing, off.passing) == (True, False)


def test_a_user_who_asks_gets_a_line_even_in_the_middle_of_one() -> None:
    assert _scope(_decide("x = a.|name + y\n", automatic=False)) == ("line", 0)


@pytest.mark.parametrize("text", ["|", "\n\n  |\n"])
def test_an_empty_file_says_nothing_about_what_is_wanted(text: str) -> None:
    assert "empty" in _reason(_decide(text))
    assert _scope(_decide(text, automatic=False))[0] == "block"


def test_a_very_long_line_is_not_completed() -> None:
    assert "long" in _reason(_decide("x" * 3000 + " = |\n"))


@pytest.mark.parametrize(
    ("marked", "complete"),
    [
        ("f(a);|\n", True),
        ("for (let i = 0;|\n", False),
        ("f(a)|\n", False),
        ("f(a); |)\n", False),
    ],
)
def test_nothing_follows_a_complete_statement(marked: str, complete: bool) -> None:
    assert isinstance(_decide(marked, "typescript"), NotHere) is complete


_BLOCKS = {
    "empty body": ("python", "def f(x):\n    |\n", 1),
    "end of the header": ("python", "def f(x):|\n", 1),
    "header with a comment": ("python", "for x in y:  # all\n    |\n", 1),
    "nested empty body": ("python", "def f(x):\n    if x:\n        |\n    return 1\n", 5),
    "body with a docstring": ("python", 'def f(x):\n    """Do it."""\n    |\n', 1),
    "docstring of several lines": (
        "python",
        'def f(x):\n    """Do\n\n    it.\n    """\n    |\n',
        1,
    ),
    "header of several lines": ("python", "def f(\n    x,\n):\n    |\n", 1),
    "cursor at the margin": ("python", "def f(x):\n|\n", 1),
    "after a comment": ("python", "x = 1\n# sort the items\n|\n", 0),
    "after a comment in a body": ("python", "def f():\n    x = 1\n    # sort them\n    |\n", 4),
    "empty braces": ("typescript", "function f() {\n  |\n}\n", 1),
    "end of a brace": ("typescript", "  f() {|\n  }\n", 3),
    "arrow": ("typescript", "const f = () =>\n  |\n", 1),
    "body with a comment": ("typescript", "function f() {\n  // do it\n  |\n}\n", 1),
    "tabs": ("go", "func f() {\n\tif x {\n\t\t|\n\t}\n}\n", 5),
    "ruby": ("ruby", "def f(x)\n  |\nend\n", 1),
    "ruby block": ("ruby", "items.each do |x|\n  |\nend\n", 1),
    "lua": ("lua", "local function f(x)\n  |\nend\n", 1),
    "shell": ("shellscript", 'if [ -n "$x" ]; then\n  |\nfi\n', 1),
    "unknown language": ("cobol", "begin\n  |\nend\n", 1),
    "yaml": ("yaml", "jobs:\n  |\n", 1),
}


@pytest.mark.parametrize("name", _BLOCKS)
def test_an_empty_body_asks_for_a_block(name: str) -> None:
    language, marked, indent = _BLOCKS[name]
    decision = _decide(marked, language)
    assert _scope(decision) == ("block", indent)


_LINES = {
    "a body that is not empty": ("python", "def f(x):\n    |\n    return x\n"),
    "within a line": ("python", "def f(x|\n"),
    "blank line in a body": ("python", "def f(x):\n    y = 1\n\n    |\n"),
    "a dictionary's key": ("python", "x = 1\ny: |\n"),
    "dedented below a header": ("python", "if x:\n    if y:\n    |\n"),
    "a string that ends in a colon": ("python", 'x = "note:\n|\n'),
    "a call being typed": ("typescript", "const x = call(|\n"),
    "a colon and a space": ("python", "class A: |\n"),
    "a ruby condition being typed": ("ruby", "if x|\nend\n"),
    "json value": ("json", '{\n  "a": |\n}\n'),
}


@pytest.mark.parametrize("name", _LINES)
def test_elsewhere_a_line_is_enough(name: str) -> None:
    language, marked = _LINES[name]
    assert _scope(_decide(marked, language))[0] == "line"


def test_crlf_changes_nothing() -> None:
    assert _scope(_decide("def f(x):\r\n    |\r\n")) == ("block", 1)


def test_a_block_after_a_comment_ends_with_the_paragraph() -> None:
    decision = _decide("# sort the items\n|\n")
    assert isinstance(decision, ScopeDecision)
    assert "\n\n" in decision.stop


def test_in_a_very_long_file_a_line_must_do() -> None:
    assert _scope(_decide("x = 1\n" * 20_000 + "def f(x):\n    |\n"))[0] == "line"


def test_comments_and_strings_can_be_switched_off() -> None:
    settings = TriggerSettings(comments=False, strings=False)
    assert "comments" in _reason(_decide("x = 1  # wh|\n", settings=settings))
    assert "strings" in _reason(_decide("x = 'wh|'\n", settings=settings))
    assert _scope(_decide("x = 'why' + |\n", settings=settings))[0] == "line"
    assert _scope(_decide("x = 1  # wh|\n"))[0] == "line"


def test_languages_can_be_switched_off_one_by_one_or_all_but_some() -> None:
    assert "python" in _reason(
        _decide("x = |", settings=TriggerSettings(languages={"python": False}))
    )
    only_go = TriggerSettings(languages={"*": False, "go": True})
    assert isinstance(_decide("x = |", settings=only_go), NotHere)
    assert isinstance(_decide("x = |", "go", settings=only_go), ScopeDecision)


def test_globs_name_files_without_suggestions() -> None:
    settings = TriggerSettings(disabled_globs=("*.min.js", "**/generated/**"))
    assert "app.min.js" in _reason(
        _decide("x = |", settings=settings, path=Path("/src/app.min.js"), automatic=False)
    )
    assert isinstance(_decide("x = |", settings=settings, path=Path("/a/generated/b.py")), NotHere)
    assert isinstance(_decide("x = |", settings=settings, path=Path("/a/b.py")), ScopeDecision)


def test_bounds_come_from_the_settings() -> None:
    settings = TriggerSettings(max_line_tokens=7, max_block_tokens=11)
    line, block = _decide("x = |", settings=settings), _decide("def f():\n    |", settings=settings)
    assert isinstance(line, ScopeDecision)
    assert isinstance(block, ScopeDecision)
    assert (line.max_tokens, block.max_tokens) == (7, 11)


@given(
    st.text(st.sampled_from("ab():{}[]'\"# \t\n\r;é😀"), max_size=60),
    st.data(),
    st.sampled_from(["python", "typescript", "ruby", "cobol", "markdown"]),
    st.booleans(),
)
def test_any_text_gets_an_answer(
    text: str, data: st.DataObject, language: str, automatic: bool
) -> None:
    offset = data.draw(st.integers(0, len(text)))
    decision = _decide(f"{text[:offset]}|{text[offset:]}", language, automatic=automatic)
    assert isinstance(decision, NotHere) or decision.block_indent >= 0
