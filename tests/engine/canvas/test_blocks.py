"""Models that attend block by block grow a span one block at a time, up to their end mark."""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING, Any

import pytest

from midspan_engine.canvas.settings import CanvasConfig
from midspan_engine.decoding.unmask import Fixed, Threshold
from midspan_engine.protocol import RequestRejected
from midspan_engine.runtime.canvas_torch import TorchCanvasRuntime

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from midspan_engine.models.family import ModelFamily
    from midspan_engine.protocol import InfillRequest
    from midspan_engine.runtime.canvas_rows import CanvasPass, CanvasScores
    from midspan_engine.tokenizer import Tokenizer

    Make = Callable[..., Any]
    Ask = Callable[..., InfillRequest]

BLOCK, END, COMMA = 4, 0, 22


class Refreshing(TorchCanvasRuntime):
    """Computes the context in every pass."""

    def forward(self, groups: Sequence[CanvasPass]) -> list[CanvasScores]:
        return super().forward([dataclasses.replace(one, refresh=True) for one in groups])


@pytest.fixture(params=[False, True], ids=["own", "shift"])
def family(
    canvas_family: ModelFamily, canvas_fim: tuple[int, int, int], request: pytest.FixtureRequest
) -> ModelFamily:
    assert canvas_family.marks is not None
    return dataclasses.replace(
        canvas_family,
        decoding="block",
        block=BLOCK,
        layout="fim",
        shift=request.param,
        marks=dataclasses.replace(canvas_family.marks, expand=None, delete=None, fim=canvas_fim),
    )


@pytest.fixture
def network(scripted: Make, family: ModelFamily) -> Make:
    """A block model that says so many commas; its context has so many tokens."""

    def make(commas: int, context: int) -> Any:
        made = scripted(lambda _ids, place: {COMMA if place < commas else END: 15.0}, family)
        made.lead = context % BLOCK or int(family.shift)
        return made

    return make


def context_of(tokenizer: Tokenizer, request: InfillRequest) -> int:
    return 3 + len(tokenizer.encode(request.prefix)) + len(tokenizer.encode(request.suffix))


@pytest.mark.parametrize("prefix", ["(", "((", "(((", "(((("])
@pytest.mark.parametrize("commas", [0, 1, 3, 4, 9])
def test_it_grows_by_blocks_up_to_the_end_mark(
    network: Make,
    canvas_engine: Make,
    canvas_tokenizer: Tokenizer,
    ask: Ask,
    prefix: str,
    commas: int,
) -> None:
    request = ask(" ".join(prefix), ")")
    tokens = context_of(canvas_tokenizer, request)
    runtime = network(commas, tokens)
    (choice,) = canvas_engine(runtime).infill(request).choices
    assert (choice.text, choice.finish) == ("," * commas, "eos")
    ends = {len(one.context.prefix) + len(slot) for one in runtime.seen for slot in one.slots}
    assert all(end % BLOCK == 0 for end in ends)
    assert max(ends) - tokens <= commas + BLOCK
    assert sum(one.refresh for one in runtime.seen) == 1
    assert not any(one.near for one in runtime.seen), "what is cached has seen nothing of the span"


@pytest.mark.parametrize("most", [1, 3, 6, 11])
def test_it_says_no_more_than_it_may(
    network: Make, canvas_engine: Make, canvas_tokenizer: Tokenizer, ask: Ask, most: int
) -> None:
    request = ask("(", ")", max_tokens=most)
    runtime = network(99, context_of(canvas_tokenizer, request))
    (choice,) = canvas_engine(runtime).infill(request).choices
    assert (choice.text, choice.finish) == ("," * most, "length")


def test_time_that_runs_out_leaves_no_more_than_it_may_say(
    canvas_engine: Make, canvas_tokenizer: Tokenizer, scripted: Make, family: ModelFamily, ask: Ask
) -> None:
    def slow(_ids: list[int], _place: int) -> dict[int, float]:
        time.sleep(0.01)
        return {COMMA: 15.0}

    request = ask("( ( (", ")", max_tokens=1, budget_ms=60)
    runtime = scripted(slow, family)
    runtime.lead = context_of(canvas_tokenizer, request) % BLOCK or int(family.shift)
    (choice,) = canvas_engine(runtime, CanvasConfig(select=Fixed(1))).infill(request).choices
    assert choice.text in {"", ","}


def test_an_end_stays_the_end_when_cells_are_looked_at_again(
    network: Make, canvas_engine: Make, canvas_tokenizer: Tokenizer, ask: Ask
) -> None:
    request = ask("x = (", ")\n", language="python", max_tokens=30)
    tokens = context_of(canvas_tokenizer, request)
    config = CanvasConfig(select=Threshold(-99.0), revisions=3, revise_below=0.0)
    runtime = network(2, tokens)
    (choice,) = canvas_engine(runtime, config).infill(request).choices
    assert (choice.text, choice.finish) == (",,", "eos")
    assert len(runtime.seen) > 1
    rows = [len(slot) for one in runtime.seen for slot in one.slots]
    assert max(rows) == rows[0], "the end is known, so no block follows"
    gated = CanvasConfig(syntax=True)
    (choice,) = canvas_engine(network(2, tokens), gated).infill(request).choices
    assert (choice.text, choice.finish) == ("", "eos"), "the commas break it, the end does not"


def test_alternatives_are_aligned_too(
    network: Make, canvas_engine: Make, canvas_tokenizer: Tokenizer, ask: Ask
) -> None:
    request = ask("(", ")", n=3)
    runtime = network(5, context_of(canvas_tokenizer, request))
    assert canvas_engine(runtime).infill(request).choices[0].text == "," * 5
    for one in runtime.seen:
        assert all((len(one.context.prefix) + len(slot)) % BLOCK == 0 for slot in one.slots)


def test_texts_cannot_be_required_of_them(network: Make, canvas_engine: Make, ask: Ask) -> None:
    with pytest.raises(RequestRejected, match="blocks"):
        canvas_engine(network(1, 5)).infill(ask(require=("path",)))


def test_each_pass_reads_what_a_pass_over_everything_would(
    canvas_folder: Path, family: ModelFamily, canvas_engine: Make, ask: Ask
) -> None:
    """What is cached ends with a block, so it has seen nothing of the span: there is no drift."""
    config = CanvasConfig(select=Fixed(1))
    texts = []
    for kind in (TorchCanvasRuntime, Refreshing):
        engine = canvas_engine(kind(canvas_folder, family), config)
        answer = engine.infill(ask("def load(self):\n    with", "\n", max_tokens=11))
        texts.append([(c.text, c.finish, round(c.mean_logprob, 3)) for c in answer.choices])
    assert texts[0] == texts[1]
