from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from midspan_engine.canvas.beginnings import refused_at
from midspan_engine.canvas.cells import SpanCanvas
from midspan_engine.canvas.context import CanvasContext
from midspan_engine.canvas.policy import LIKELY, Sampling, Unmasker
from midspan_engine.canvas.span import CanvasSpan
from midspan_engine.canvas.syntax import GrammarHold, SyntaxGate, _parser

if TYPE_CHECKING:
    from collections.abc import Callable

    from midspan_engine.protocol import InfillRequest
    from midspan_engine.tokenizer import Tokenizer

    Make = Callable[..., Any]
    Ask = Callable[..., InfillRequest]

FILES = {
    "python": '''\
import os


@decorate(1)
class Reader(Base, key=None):
    """A "quoted" ( text."""

    async def count(self, *, most: int = 3) -> dict[str, int]:
        with open(self.path, "r") as handle, lock:
            names = {name: f"{len(name)!r:>{most}}" for name in handle if name not in (")", "]")}
        return names if not names else {**names, "x\\n": -1 if most <= 0x1F else 1e-3}  # a ( b
''',
    "typescript": """\
import { a as b, type C } from "./d";

export const f = async <T extends C>(x?: T, ...rest: readonly string[]): Promise<void> => {
  /* not ( closed */
  const found = /^[\\w(]+\\/["']$/gi.test(`a ${rest.map((r) => `${r}!`)} b`) ? x!.y?.[0] : {};
  if (found === null || !(found as unknown as Set<number>)?.size) { throw new Error('x'); }
};
""",
    "go": """\
package main

import "fmt"

// Count ( is here.
func (r *Reader) Count(names ...string) (map[string]int, error) {
	found := map[string]int{`a"`: 1, "b\\n": '\\''}
	for i, name := range names[1:] {
		go func() { ch <- struct{ x int }{i} }()
		if v, ok := found[name]; ok && v != 0x1F {
			return nil, fmt.Errorf("no %q: %w", name, err)
		}
	}
	return found, nil
}
""",
    "rust": """\
use std::{fmt, io::Read as _};

/// Reads ( all.
impl<'a, T: Clone + 'a> Reader<'a, T> where T: fmt::Debug {
    pub fn count(&mut self, most: usize) -> Result<Vec<u8>, Box<dyn Error>> {
        let found = self.names.iter().filter(|n| n.len() >= most && **n != r#"a"b"#);
        match found.next() { Some(&x @ 0..=9) => x as u64 * 1_000u64, _ => b'\\'' as u64 };
        println!("{:?} {}", 'x', 1.5e-3 /* ( */);
        Ok(vec![0; most..][..].to_vec())
    }
}
""",
}


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("x = (path]", 10),
        ("x = (path] + 1", 10),
        ("f(a))", 5),
        ("a = = 3", 5),
        ("return return x", 13),
        ("def f(: x", 7),
        ("x = 'abc\ny", 8),
        ("x = (path", None),
        ("x = 'abc)", None),
        ("x = [a for ", None),
        ("x = {'a': (", None),
        ("# a)", None),
        ("", None),
        ("   \n", None),
    ],
)
def test_a_beginning_is_refused_where_nothing_can_follow(text: str, end: int | None) -> None:
    parser = _parser("python")
    assert parser is not None
    assert refused_at(parser, text.encode()) == end


@pytest.mark.parametrize(("language", "opened"), [("go", "x := f("), ("rust", "let x = f(")])
def test_other_grammars_refuse_brackets_that_do_not_match(language: str, opened: str) -> None:
    parser = _parser(language)
    assert parser is not None
    head = {"go": "package a\nfunc g() {\n", "rust": "fn g() {\n"}[language]
    assert refused_at(parser, (head + opened + "a").encode()) is None
    assert refused_at(parser, (head + opened + "a]").encode()) == len(head + opened) + 2


@pytest.mark.parametrize("language", FILES)
def test_the_files_are_valid(language: str) -> None:
    parser = _parser(language)
    assert parser is not None
    assert not parser.parse(FILES[language].encode()).root_node.has_error


@settings(max_examples=120, deadline=None)
@given(st.data())
def test_no_beginning_of_a_valid_file_is_refused(data: st.DataObject) -> None:
    language = data.draw(st.sampled_from(sorted(FILES)))
    text = FILES[language]
    cut = data.draw(st.integers(0, len(text)))
    parser = _parser(language)
    assert parser is not None
    assert refused_at(parser, text[:cut].encode()) is None


@pytest.fixture
def held(canvas_tokenizer: Tokenizer, ask: Ask) -> Make:
    """Makes a span of masks between two texts, and its hold."""

    def make(prefix: str, suffix: str, masks: int, language: str, **changes: Any) -> Any:
        request = ask(prefix, suffix, language=language, **changes)
        gate = SyntaxGate.of(request)
        assert gate is not None
        nothing = np.zeros(0, np.int32)
        context = CanvasContext(
            prefix=nothing, suffix=nothing, lead=nothing, offset=0, pending=b"", indent=""
        )
        unmasker = Unmasker(LIKELY, (), Sampling())
        canvas = SpanCanvas(masks, most=999)
        return CanvasSpan(canvas, request, context, canvas_tokenizer, unmasker), GrammarHold(gate)

    return make


def put(span: CanvasSpan, place: int, token: int, logprob: float = -1.0) -> None:
    span.canvas.cells[place].token, span.canvas.cells[place].logprob = token, logprob


@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_no_commit_of_true_text_is_refused_in_whatever_order_it_comes(
    held: Make, canvas_tokenizer: Tokenizer, data: st.DataObject
) -> None:
    language = data.draw(st.sampled_from(sorted(FILES)))
    lines = FILES[language].splitlines(keepends=True)
    first = data.draw(st.integers(0, len(lines) - 1))
    last = data.draw(st.integers(first, min(first + 2, len(lines) - 1)))
    prefix, suffix = "".join(lines[:first]), "".join(lines[last + 1 :])
    middle = "".join(lines[first : last + 1])
    begin = data.draw(st.integers(0, len(middle) - 1))
    prefix, middle = prefix + middle[:begin], middle[begin:]
    tokens = canvas_tokenizer.encode(middle)
    span, hold = held(prefix, suffix, len(tokens), language, scope="block")
    for place in data.draw(st.permutations(range(len(tokens)))):
        put(span, place, tokens[place])
        assert hold.offending(span) is None


@pytest.mark.parametrize(
    ("bracket", "path", "place"),
    [(-3.0, -0.1, 2), (-0.1, -3.0, 1)],
    ids=["the bracket", "what stands before it"],
)
def test_the_least_certain_newcomer_goes(
    held: Make, canvas_tokenizer: Tokenizer, bracket: float, path: float, place: int
) -> None:
    span, hold = held("x = ", "\n", 5, "python")
    opening, name, closing = (canvas_tokenizer.encode(text)[0] for text in ("(", "path", "]"))
    put(span, 0, opening, -9.0)
    assert hold.offending(span) is None
    put(span, 2, closing, bracket)
    assert hold.offending(span) is None, "it may stand in a string that the mask begins"
    put(span, 1, name, path)
    assert hold.offending(span) == place


def test_what_is_demanded_stays_and_refusals_end(held: Make, canvas_tokenizer: Tokenizer) -> None:
    span, hold = held("x = f(", "\n", 3, "python")
    (closing,) = canvas_tokenizer.encode("]")
    refused = 0
    for turn in range(40):
        put(span, 0, closing, -float(turn))
        place = hold.offending(span)
        if place is not None:
            refused += 1
            span.canvas.refuse([place])
        assert hold.offending(span) is None
        span.canvas.mask_again([0])
        assert hold.offending(span) is None
    assert 0 < refused <= 8
    span, hold = held("x = f(", "\n", 3, "python")
    put(span, 0, closing)
    span.canvas.cells[0].fixed = True
    assert hold.offending(span) is None


def test_a_string_that_does_not_end_in_its_line_is_refused(
    held: Make, canvas_tokenizer: Tokenizer
) -> None:
    quote, path, newline = (canvas_tokenizer.encode(text)[0] for text in ("'", "path", "\n"))
    for suffix, place in (("\ny = 1\n", 2), ("'\ny = 1\n", None)):
        span, hold = held("x = ", suffix, 4, "python")
        put(span, 0, quote)
        put(span, 1, path)
        assert hold.offending(span) is None
        put(span, 2, newline, -5.0)
        assert hold.offending(span) == place


@pytest.mark.parametrize("prefix", ["def ((:\n  ]]\nx = ", "y = 1\n" * 3000 + "x = "])
def test_a_prefix_that_is_broken_or_long_has_nothing_refused(
    held: Make, canvas_tokenizer: Tokenizer, prefix: str
) -> None:
    span, hold = held(prefix, "\n", 3, "python")
    for place, text in enumerate(("(", "]")):
        put(span, place, canvas_tokenizer.encode(text)[0])
        assert hold.offending(span) is None
