"""Whatever order tokens come in, nothing forbidden is ever said."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from midspan_engine.canvas.cells import SpanCanvas, Step
from midspan_engine.canvas.constraints import Constraints
from midspan_engine.canvas.settings import CanvasConfig
from midspan_engine.decoding.forbidden import Forbidden
from midspan_engine.decoding.unmask import Fixed
from midspan_engine.protocol import InfillRequest

if TYPE_CHECKING:
    from collections.abc import Callable

    from midspan_engine.tokenizer import Tokenizer

    Make = Callable[..., Any]
    Ask = Callable[..., InfillRequest]

LETTERS = "abc"
PATTERNS = ("ab", "bb+c", "c.c", "aa", "a[^a]*ca")


def overlapping(pattern: str, text: str) -> list[tuple[int, int]]:
    found = (re.compile(pattern).match(text, at) for at in range(len(text)))
    return [match.span() for match in found if match]


@given(data=st.data())
def test_no_order_of_tokens_says_what_is_forbidden(
    canvas_tokenizer: Tokenizer, data: st.DataObject
) -> None:
    prefix, suffix = (data.draw(st.text(LETTERS, max_size=3)) for _ in range(2))
    patterns = data.draw(st.lists(st.sampled_from(PATTERNS), min_size=1, max_size=3))
    request = InfillRequest(id=1, session="s", prefix=prefix, suffix=suffix, forbid=tuple(patterns))
    forbidden = Forbidden.of(request)
    assert forbidden is not None
    rules = Constraints(forbidden=forbidden, opening=0, indent="")
    span = SpanCanvas(data.draw(st.integers(1, 5)), most=8, expand=8, delete=9)
    ids = [canvas_tokenizer.encode(letter)[0] for letter in LETTERS]
    for _ in range(200):
        if not span.masks or span.exhausted:
            break
        places = sorted(data.draw(st.sets(st.sampled_from(span.masks), min_size=1)))
        free = [[t for t in (*ids, 8, 9) if t not in span.cells[p].banned] for p in places]
        drawn = [(p, data.draw(st.sampled_from(f))) for p, f in zip(places, free, strict=True) if f]
        if not drawn:
            break
        step = Step(
            places=tuple(p for p, _ in drawn),
            tokens=tuple(t for _, t in drawn),
            logprobs=(0.0,) * len(drawn),
        )
        span.commit(rules.allowed(span, step, canvas_tokenizer))
    if span.masks:
        return
    text = canvas_tokenizer.decode(span.tokens)
    whole = prefix + text + suffix
    start, end = len(prefix), len(prefix) + len(text)
    for pattern in patterns:
        for first, last in overlapping(pattern, whole):
            assert not (first < end and last > start), (whole, pattern)


@pytest.mark.parametrize("select", [Fixed(1), Fixed(8)])
@pytest.mark.parametrize("seed", range(6))
def test_a_random_network_never_says_it(
    scripted: Make, canvas_engine: Make, ask: Ask, seed: int, select: Fixed
) -> None:
    random = np.random.default_rng(seed)
    network = scripted(
        lambda _ids, _place: {int(t): random.normal(9, 3) for t in random.integers(20, 350, 6)}
    )
    forbid = (r"[a-m]", r"\(\)", r"= ?\S")
    engine = canvas_engine(network, CanvasConfig(select=select))
    answer = engine.infill(ask("x = ", "(y)\n", n=3, forbid=forbid, max_tokens=12))
    for choice in answer.choices:
        assert not re.search(r"[a-m]", choice.text)
        assert not re.search(r"\(\)", choice.text + "(")
        assert not re.search(r"= ?\S", "x = " + choice.text)


def test_what_is_forbidden_is_written_around(
    scripted: Make, canvas_engine: Make, canvas_tokenizer: Tokenizer, ask: Ask
) -> None:
    bad, good = (canvas_tokenizer.encode(word)[0] for word in ("lines", "path"))
    delete = 10
    network = scripted(
        lambda _ids, place: {bad: 20.0, good: 15.0} if place == 0 else {delete: 15.0}
    )
    plain = canvas_engine(network).infill(ask())
    other = canvas_engine(network).infill(ask(forbid=("lin",)))
    assert plain.choices[0].text[:3] == canvas_tokenizer.decode([bad])[:3]
    assert other.choices[0].text == canvas_tokenizer.decode([good])


def test_a_prefix_that_has_begun_it_does_not_finish_it(
    scripted: Make, canvas_engine: Make, canvas_tokenizer: Tokenizer, ask: Ask
) -> None:
    """The bytes before the cursor are spelled again by the first token, and count once."""
    request = ask("self.li", "\n", forbid=("line",))
    line = canvas_tokenizer.encode("line")[0]
    network = scripted(lambda _ids, place: {line: 15.0} if place == 0 else {10: 15.0})
    assert canvas_engine(network).infill(ask("self.li", "\n")).choices[0].text == "ne"
    (choice,) = canvas_engine(network).infill(request).choices
    assert "line" not in "self.li" + choice.text


def test_the_indentation_before_the_span_counts(
    scripted: Make, saying: Make, canvas_engine: Make, ask: Ask
) -> None:
    engine = canvas_engine(scripted(saying("path")))
    request = ask("if x:\n", "\n", language="python")
    assert engine.infill(request).choices[0].text == "    path"
    answer = engine.infill(ask("if x:\n", "\n", language="python", forbid=("    path",)))
    assert answer.choices
    assert "    path" not in answer.choices[0].text


def test_a_line_that_ends_where_it_would_be_forbidden_ends_elsewhere(
    scripted: Make, canvas_engine: Make, canvas_tokenizer: Tokenizer, ask: Ask
) -> None:
    """The text after a line break is dropped, so what it meets is the text after the hole."""
    path, newline, comma = (canvas_tokenizer.encode(text)[0] for text in ("path", "\n", ","))
    network = scripted(
        lambda _ids, place: (
            {path: 15.0} if place == 0 else {newline: 15.0, comma: 13.0} if place == 1 else {}
        )
    )
    answer = canvas_engine(network).infill(ask("x = ", "(y)", forbid=(r"path\(",)))
    assert answer.choices
    assert canvas_engine(network).infill(ask("x = ", "(y)")).choices[0].text.startswith("p")
    assert not re.search(r"path\(", answer.choices[0].text + "(y)")


def test_where_everything_is_forbidden_it_ends(
    scripted: Make, saying: Make, canvas_engine: Make, ask: Ask
) -> None:
    network = scripted(saying("path"))
    answer = canvas_engine(network).infill(ask(forbid=(r"(?s).",)))
    assert all(not choice.text for choice in answer.choices)
    assert len(network.seen) < 300
