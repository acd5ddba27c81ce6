"""Pure diffusion, tolerance and alternatives: what a request may choose beside `verified`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest

from midspan_engine.decoding.infill import DecodeConfig
from midspan_engine.decoding.unmask import EntropyBound, Fixed, Select, Threshold
from midspan_engine.protocol import InfillRequest

if TYPE_CHECKING:
    from collections.abc import Callable

    from midspan_engine.engine import Engine
    from midspan_engine.protocol import Infill

    MakeEngine = Callable[..., Engine]

PREFIX = "def load_module(name, path):\n    with open(path) as "
SUFFIX = ":\n        return [line.rstrip() for line in handle]\n"


def ask(prefix: str = PREFIX, **changes: object) -> InfillRequest:
    values: dict[str, object] = {
        "id": 1,
        "session": "s",
        "prefix": prefix,
        "suffix": SUFFIX,
        "language": "python",
        "scope": "block",
        "max_tokens": 24,
    }
    return InfillRequest(**{**values, **changes})  # type: ignore[arg-type]


def text(answer: Infill) -> str:
    return answer.choices[0].text


@pytest.mark.parametrize("select", [Threshold(math.log(0.01)), EntropyBound(9.0), Fixed(3)])
def test_pure_diffusion_fills_the_span_with_few_passes(
    make_engine: MakeEngine, select: Select
) -> None:
    config = DecodeConfig(select=select)
    answer = make_engine(config, adapter=True).infill(ask(effort="draft"))
    assert answer.stats.tokens >= 8
    assert answer.stats.passes < answer.stats.tokens


def test_balanced_with_no_tolerance_is_verified(make_engine: MakeEngine) -> None:
    strict = make_engine(DecodeConfig(tolerance=1.0), adapter=True).infill(ask(effort="balanced"))
    assert text(strict) == text(make_engine(adapter=True).infill(ask()))


def test_balanced_keeps_guesses_that_are_likely_enough(make_engine: MakeEngine) -> None:
    guess = "return path"
    request = ask("path = 1\n", effort="balanced", draft=guess, max_tokens=4)
    lax = make_engine(DecodeConfig(tolerance=1e-60)).infill(request)
    assert text(lax).startswith(guess[:4])
    assert lax.stats.passes < 4


def test_fewer_steps_take_fewer_passes(make_engine: MakeEngine) -> None:
    engine = make_engine(adapter=True)
    passes = [
        engine.infill(ask(effort="draft", steps=steps, session=f"{steps}")).stats.passes
        for steps in (1, 8)
    ]
    assert passes[0] < passes[1]


def test_alternatives_stay_within_the_span_and_do_not_depend_on_guesses(
    make_engine: MakeEngine,
) -> None:
    engine = make_engine()
    for end in range(12, len(PREFIX), 4):
        request = ask(PREFIX[:end], n=4, max_tokens=6, session=f"s{end}")
        first, second = engine.infill(request), engine.infill(request)
        assert [c.text for c in first.choices] == [c.text for c in second.choices]
        assert first.stats.tokens <= 4 * 6


def test_alternatives_come_likeliest_first_with_what_follows_counted(
    make_engine: MakeEngine,
) -> None:
    engine = make_engine()
    several = 0
    for end in range(12, len(PREFIX), 4):
        answer = engine.infill(ask(PREFIX[:end], n=4, max_tokens=6, session=f"r{end}"))
        scores = [choice.mean_logprob + choice.suffix_logprob for choice in answer.choices[1:]]
        assert scores == sorted(scores, reverse=True)
        several += len(scores) > 1
    assert several > 5
