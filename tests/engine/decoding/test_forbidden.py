"""What is forbidden is never said, and everything else is said as before."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midspan_engine.decoding.forbidden import Forbidden
from midspan_engine.decoding.infill import DecodeConfig
from midspan_engine.engine import Engine
from midspan_engine.protocol import InfillRequest, RequestRejected

if TYPE_CHECKING:
    from collections.abc import Callable

    from midspan_engine.protocol import Infill
    from midspan_engine.runtime.rows import Runtime
    from midspan_engine.tokenizer import Tokenizer

    MakeEngine = Callable[..., Engine]

PREFIX = "def load_module(name, path):\n    with open(path) as "
SUFFIX = ":\n        return [line.rstrip() for line in handle]\n"


def ask(prefix: str = PREFIX, suffix: str = SUFFIX, **changes: object) -> InfillRequest:
    values: dict[str, object] = {
        "id": 1,
        "session": "s",
        "prefix": prefix,
        "suffix": suffix,
        "scope": "block",
        "max_tokens": 12,
    }
    return InfillRequest(**{**values, **changes})  # type: ignore[arg-type]


def forbidden(*patterns: str, prefix: str = "", suffix: str = "") -> Forbidden:
    made = Forbidden.of(ask(prefix, suffix, forbid=patterns))
    assert made is not None
    return made


def text(answer: Infill) -> str:
    return answer.choices[0].text


def test_a_request_without_patterns_needs_no_watch() -> None:
    assert Forbidden.of(ask()) is None


@pytest.mark.parametrize(
    ("prefix", "said", "suffix", "barred"),
    [
        ("", "password", "", True),
        ("", "pass word", "", False),
        ("pass", "word", "", True),
        ("", "pass", "word", True),
        ("pa", "sswo", "rd", True),
        ("pass", "", "word", True),
        ("password ", "ok", " password", False),
        ("password", "", "password", False),
    ],
)
def test_matches_that_touch_the_text_count(
    prefix: str, said: str, suffix: str, barred: bool
) -> None:
    assert forbidden("password", prefix=prefix, suffix=suffix).bars(said) is barred


def test_what_is_not_known_to_stand_beside_it_does_not_count() -> None:
    rule = forbidden("password", prefix="pass", suffix="word")
    assert not rule.bars("word", begins=False)
    assert not rule.bars("pass", ends=False)


def test_a_match_that_overlaps_one_before_the_text_is_found() -> None:
    assert forbidden("aba", prefix="aba").bars("ba")
    assert forbidden("aa", prefix="a").bars("a")


@pytest.mark.parametrize("pattern", ["(", "", "x*", "a|", "^"])
def test_patterns_that_cannot_be_kept_are_refused(pattern: str) -> None:
    with pytest.raises(RequestRejected, match="forbid: ") as refused:
        Forbidden.of(ask(forbid=("ok", pattern)))
    assert refused.value.code == "bad_request"


@given(st.text("ab", max_size=4), st.text("ab", max_size=6), st.text("ab", max_size=4))
def test_every_place_of_a_match_is_looked_at(prefix: str, said: str, suffix: str) -> None:
    patterns = ("aba", "abb?", "b+a")
    whole, start, end = prefix + said + suffix, len(prefix), len(prefix + said)
    spans = [
        found.span()
        for pattern in patterns
        for at in range(len(whole))
        if (found := re.compile(pattern).match(whole, at))
    ]
    expected = any(first < end and last > start for first, last in spans)
    assert forbidden(*patterns, prefix=prefix, suffix=suffix).bars(said) is expected


@pytest.mark.parametrize("effort", ["verified", "balanced", "draft"])
@pytest.mark.parametrize("n", [1, 4])
def test_a_network_of_blocks_never_says_it(make_engine: MakeEngine, effort: str, n: int) -> None:
    patterns = [r"[aeiou]", r"\d", r"[A-Z]"]
    for end in range(14, len(PREFIX), 9):
        engine = make_engine(adapter=True)
        request = ask(PREFIX[:end], n=n, effort=effort, forbid=tuple(patterns))
        for choice in engine.infill(request).choices:
            assert not re.search("|".join(patterns), choice.text)


def test_what_greedy_decoding_would_say_is_avoided_one_by_one(make_engine: MakeEngine) -> None:
    said: list[str] = []
    for _ in range(4):
        forbid = tuple(re.escape(one.strip()[:6]) for one in said)
        answer = make_engine().infill(ask(forbid=forbid))
        assert answer.choices
        assert all(one.strip()[:6] not in text(answer) for one in said)
        said.append(text(answer))
        assert said[-1].strip(), "the tiny network must say something for this test"


def test_what_it_would_not_say_changes_nothing(make_engine: MakeEngine) -> None:
    greedy = make_engine(DecodeConfig(rows=1, look_up=False)).infill(ask())
    watched = make_engine().infill(ask(forbid=("never said",)))
    assert text(watched) == text(greedy)
    drafted = make_engine().infill(ask(forbid=("never said",), draft=text(greedy)))
    assert text(drafted) == text(greedy)
    assert drafted.stats.accepted > 0


def test_a_draft_does_not_bring_it_in(make_engine: MakeEngine) -> None:
    plain = text(make_engine().infill(ask()))
    part = re.escape(plain[2:5])
    answer = make_engine().infill(ask(forbid=(part,), draft=plain))
    assert all(not re.search(part, choice.text) for choice in answer.choices)


def test_a_word_that_is_being_typed_goes_on_as_something_else(
    make_engine: MakeEngine, tiny_tokenizer: Tokenizer
) -> None:
    prefix = "def load_module(name, path):\n    with open(pa"
    _, pending = tiny_tokenizer.heal(prefix)
    assert pending, "the cursor must stand within a token for this test"
    plain = text(make_engine().infill(ask(prefix)))
    start = plain[:2]
    answer = make_engine().infill(ask(prefix, forbid=(re.escape("pa" + start),)))
    assert answer.choices
    assert not text(answer).startswith(start)


def test_alternatives_begin_with_what_may_be_said(make_engine: MakeEngine) -> None:
    """Where the runner-up is forbidden, the next one takes its place."""
    plain = [choice.text for choice in make_engine().infill(ask(n=4)).choices]
    for one in plain[1:]:
        shared = next(at for at in range(len(one)) if one[: at + 1] != plain[0][: at + 1])
        forbid = (re.escape(one[max(0, shared - 2) : shared + 2]),)
        texts = [c.text for c in make_engine().infill(ask(n=4, forbid=forbid)).choices]
        assert len(texts) == len(set(texts)) == 4
        assert not any(re.search(forbid[0], other) for other in texts)


def test_a_line_that_is_cut_where_it_is_forbidden_gives_way_to_another(
    scripted: Runtime, tiny_tokenizer: Tokenizer
) -> None:
    scripted.will_say("path\n")  # type: ignore[attr-defined]
    scripted.unsure = 1.0  # type: ignore[attr-defined]
    request = ask("x = 1\n", "(x)\n", scope="line", max_tokens=3, forbid=(r"path\(",))
    answer = Engine(scripted, tiny_tokenizer).infill(request)
    assert answer.choices
    assert "path(" not in text(answer) + "(x)"


def test_an_end_that_joins_the_suffix_to_it_is_not_taken(
    scripted: Runtime, tiny_tokenizer: Tokenizer
) -> None:
    scripted.will_say("path")  # type: ignore[attr-defined]
    engine = Engine(scripted, tiny_tokenizer)
    request = ask("x = 1\n", "(x)\n", scope="line", max_tokens=3)
    assert text(engine.infill(request)) == "path"
    request = ask("x = 1\n", "(x)\n", scope="line", max_tokens=3, forbid=(r"path\(",))
    answer = engine.infill(request)
    assert answer.choices
    assert "path(" not in text(answer) + "(x)"


def test_where_nothing_may_be_said_it_ends(make_engine: MakeEngine) -> None:
    answer = make_engine().infill(ask(forbid=(r"(?s).",)))
    assert all(not choice.text for choice in answer.choices)


def test_texts_cannot_be_required_of_a_network_of_blocks(make_engine: MakeEngine) -> None:
    with pytest.raises(RequestRejected, match="require: for canvas models only"):
        make_engine().infill(ask(require=("path",)))


def test_a_bad_pattern_is_refused_before_anything_runs(make_engine: MakeEngine) -> None:
    engine = make_engine()
    before = engine.runtime.count.passes
    with pytest.raises(RequestRejected, match="regular expression"):
        engine.infill(ask(forbid=("(",)))
    assert engine.runtime.count.passes == before
