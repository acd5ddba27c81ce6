from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from midspan_engine.canvas.settings import CanvasConfig
from midspan_engine.canvas.syntax import _GRAMMARS, SyntaxGate, _parser
from midspan_engine.decoding.unmask import Fixed

if TYPE_CHECKING:
    from collections.abc import Callable

    from midspan_engine.protocol import InfillRequest
    from midspan_engine.tokenizer import Tokenizer

    Make = Callable[..., Any]
    Ask = Callable[..., InfillRequest]

GATED = CanvasConfig(syntax=True)


@pytest.mark.parametrize("language", _GRAMMARS)
def test_every_grammar_is_installed(language: str) -> None:
    parser = _parser(language)
    assert parser is not None
    assert parser.parse(b"").root_node is not None


def test_a_text_is_torn_where_an_error_touches_its_lines(ask: Ask) -> None:
    gate = SyntaxGate.of(ask("y = 1\nx = g(", ")\nz = (2\n", language="python"))
    assert gate is not None
    assert not gate.is_torn("a")
    assert gate.is_torn("a)")
    assert gate.is_torn("\n  a)")
    far = SyntaxGate.of(ask("x = g(", ")\n\n\ndef f(x):\n    y = = 2\n", language="python"))
    assert far is not None
    assert far.errors("a") > 0
    assert not far.is_torn("a")


def test_what_has_no_grammar_has_no_gate(ask: Ask) -> None:
    assert SyntaxGate.of(ask(language="markdown")) is None


def test_errors_are_counted_against_those_that_are_there_anyway(ask: Ask) -> None:
    gate = SyntaxGate.of(ask("x = f(", ")\n", language="python"))
    assert gate is not None
    assert gate.usual == gate.errors("") == gate.errors("1") == 0
    assert gate.errors("1)") > 0


def test_an_expression_that_is_to_come_is_no_error_of_the_file(ask: Ask) -> None:
    for prefix, suffix in [("x = ", "\n"), ("if ", ":\n    pass\n"), ("x = f(", "\n"), ("", "")]:
        gate = SyntaxGate.of(ask(prefix, suffix, language="python"))
        assert gate is not None
        assert gate.usual == 0


@pytest.fixture
def broken(canvas_tokenizer: Tokenizer) -> Make:
    """A network that says `(path]`, or with another sign where it may not say that."""

    def make(*others: str, end: str = "]") -> Any:
        said = ("(", "path", end, *others)
        first, path, *ends = (canvas_tokenizer.encode(text)[0] for text in said)

        def script(ids: list[int], place: int) -> dict[int, float]:
            del ids
            if place == 2:
                return {end: 15.0 - index for index, end in enumerate(ends)}
            return {{0: first, 1: path}.get(place, 10): 15.0}

        return script

    return make


def test_a_bracket_that_breaks_the_file_is_written_anew(
    scripted: Make, canvas_engine: Make, broken: Make, ask: Ask
) -> None:
    request = ask("x = ", "\n", language="python")
    plain = canvas_engine(scripted(broken(")"))).infill(request)
    mended = canvas_engine(scripted(broken(")")), GATED).infill(request)
    assert plain.choices[0].text == "(path]"
    assert mended.choices[0].text == "(path)"
    assert mended.choices[0].finish == "eos"


def test_a_wrong_bracket_goes_while_there_are_masks(
    scripted: Make, canvas_engine: Make, canvas_tokenizer: Tokenizer, ask: Ask
) -> None:
    """The tokens behind it are then chosen for the right one."""
    first, path, wrong, right, comma, own = (
        canvas_tokenizer.encode(text)[0] for text in ("(", "path", "]", ")", ",", "self")
    )

    def script(ids: list[int], place: int) -> dict[int, float]:
        tail = {wrong: (comma, own), right: (comma, path)}.get(ids[2], (comma, own))
        said = (first, path, wrong, *tail)[place]
        # The most certain one is the next one, so they come from left to right.
        sure = (20.0, 16.0, 12.0, 5.0, 4.0)[place]
        return {right: sure - 3.0, said: sure} if place == 2 else {said: sure}

    config = CanvasConfig(masks=5, length="fixed", select=Fixed(1))
    request = ask("x = ", "\n", language="python")
    plain = canvas_engine(scripted(script), config).infill(request)
    held = canvas_engine(scripted(script), replace(config, syntax=True)).infill(request)
    assert plain.choices[0].text == "(path],self"
    assert held.choices[0].text == "(path),path"
    assert held.stats.passes == plain.stats.passes + 1


def test_tries_are_bounded_and_leave_what_was_no_better(
    scripted: Make, canvas_engine: Make, broken: Make, ask: Ask
) -> None:
    network = scripted(broken("%", "-", "*", end="="))
    plain = canvas_engine(scripted(broken(end="="))).infill(ask("x = ", "\n", language="python"))
    answer = canvas_engine(network, GATED).infill(ask("x = ", "\n", language="python"))
    assert answer.choices[0].text == plain.choices[0].text
    assert answer.stats.passes < 30


def test_a_file_that_is_broken_anyway_is_left_alone(
    scripted: Make, canvas_engine: Make, broken: Make, ask: Ask
) -> None:
    request = ask("def ((:\n  ]]\nx = ", "\n", language="python")
    network = scripted(broken(")"))
    answer = canvas_engine(network, GATED).infill(request)
    plain = canvas_engine(scripted(broken(")"))).infill(request)
    gate = SyntaxGate.of(request)
    assert gate is not None
    assert gate.usual > 0
    if gate.errors("(path]") <= gate.usual:
        assert answer.choices[0].text == plain.choices[0].text
        assert answer.stats.passes == plain.stats.passes


def test_what_is_demanded_is_not_masked_again(
    scripted: Make, canvas_engine: Make, saying: Make, ask: Ask
) -> None:
    engine = canvas_engine(scripted(saying("path")), GATED)
    request = ask("x = f(", "\n", language="python", require=("self]",))
    for choice in engine.infill(request).choices:
        assert "self]" in choice.text


@pytest.mark.parametrize("language", ["python", "rust", "typescriptreact", "php"])
def test_the_place_of_an_error_counts_bytes_and_what_is_pending(
    scripted: Make, canvas_engine: Make, broken: Make, ask: Ask, language: str
) -> None:
    request = ask("é = 'é'; x = ", "\n", language=language)
    assert canvas_engine(scripted(broken(")")), GATED).infill(request).choices


def test_errors_count_wherever_they_stand(ask: Ask) -> None:
    gate = SyntaxGate.of(
        ask("a = 1;\nfunction f() { b = 2; ", " c = 3; }\n", language="javascript")
    )
    assert gate is not None
    assert gate.errors("d();") == 0
    assert gate.errors("d(;") > 0
