from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from midspan_engine.canvas.length import SUFFIX_PROBE, finalists, first_look, probe_logprob
from midspan_engine.canvas.settings import CanvasConfig

if TYPE_CHECKING:
    from collections.abc import Callable

    from midspan_engine.models.family import ModelFamily
    from midspan_engine.protocol import InfillRequest
    from midspan_engine.tokenizer import Tokenizer

    Make = Callable[..., Any]
    Ask = Callable[..., InfillRequest]

CASCADE = CanvasConfig(length="cascade", lengths=(1, 2, 3, 4, 6))
SUFFIX = ") + self.path\n"


def test_a_first_look_is_the_mean_of_the_best_allowed_token() -> None:
    logits = np.zeros((2, 4), np.float32)
    logits[0, 1], logits[:, 3] = 50.0, 90.0
    assert first_look(logits, [3]) == pytest.approx(-np.log(3) / 2)


def test_finalists_are_those_that_beat_what_is_usual() -> None:
    scores, lengths = [-0.1, -0.5, -0.6], [2, 8, 16]
    assert finalists(scores, lengths, {}, 2) == [0, 1]
    assert finalists(scores, lengths, {2: -0.1, 8: -0.9, 16: -0.7}, 2) == [1, 2]
    assert finalists(scores, lengths, {2: -0.1, 16: -0.8}, 9) == [2, 0, 1]


def test_a_probe_is_the_mean_of_the_texts_own_tokens() -> None:
    logits = np.zeros((2, 4), np.float32)
    logits[0, 1] = 50.0
    assert probe_logprob(logits, np.array([1, 2], np.int32)) == pytest.approx(-np.log(4) / 2)


@pytest.fixture
def knowing(canvas_tokenizer: Tokenizer) -> Make:
    """A network that is sure only where the span has as many masks as its text has tokens."""

    def make(text: str, suffix: str) -> Any:
        target, after = canvas_tokenizer.encode(text), canvas_tokenizer.encode(suffix)

        def script(ids: list[int], place: int) -> dict[int, float]:
            fits = len(ids) in {len(target), len(target) + SUFFIX_PROBE * bool(after)}
            whole = [*target, *after]
            return {whole[place] if place < len(whole) else 30: 15.0 if fits else 7.0}

        return script

    return make


@pytest.mark.parametrize("shift", [False, True])
@pytest.mark.parametrize("text", ["path", "path,", "path(self)", "path,path,self)"])
def test_the_true_length_wins(
    scripted: Make,
    canvas_engine: Make,
    canvas_family: ModelFamily,
    knowing: Make,
    ask: Ask,
    text: str,
    shift: bool,
) -> None:
    family = dataclasses.replace(canvas_family, shift=shift)
    network = scripted(knowing(text, SUFFIX), family)
    answer = canvas_engine(network, CASCADE).infill(ask(suffix=SUFFIX))
    assert answer.choices[0].text == text
    assert answer.choices[0].suffix_logprob < 0.0
    assert answer.choices[0].finish == "eos"


def test_it_takes_one_pass_before_the_first_look_and_one_after_the_last(
    scripted: Make, canvas_engine: Make, knowing: Make, ask: Ask
) -> None:
    network = scripted(knowing("path(self)", SUFFIX))
    answer = canvas_engine(network, CASCADE).infill(ask(suffix=SUFFIX))
    one = CanvasConfig(length="fixed", masks=3)
    fixed = canvas_engine(scripted(knowing("path(self)", SUFFIX)), one).infill(ask(suffix=SUFFIX))
    rows = [len(one.slots) for one in network.seen]
    assert rows[:2] == [1, 5], "the context first, then all lengths side by side"
    assert rows[-1] == 2
    assert network.seen[-1].hidden_suffix > 0
    assert sum(one.refresh for one in network.seen) == 1
    assert not any(one.near for one in network.seen), "each slot would compute a window of its own"
    assert fixed.stats.passes == 1
    # What the other finalist is not sure of costs passes too; the slots of both share them.
    assert answer.stats.passes <= 2 + 4 + 1


def test_without_a_suffix_nothing_is_probed(
    scripted: Make, canvas_engine: Make, knowing: Make, ask: Ask
) -> None:
    network = scripted(knowing("path", ""))
    answer = canvas_engine(network, CASCADE).infill(ask(suffix=""))
    assert answer.choices[0].text == "path"
    assert not any(one.hidden_suffix for one in network.seen)


def test_lengths_beyond_the_limit_are_cut_to_it(
    scripted: Make, canvas_engine: Make, knowing: Make, ask: Ask
) -> None:
    network = scripted(knowing("path", SUFFIX))
    canvas_engine(network, CASCADE).infill(ask(max_tokens=2))
    assert [len(slot) for slot in network.seen[1].slots] == [1, 2]
    network = scripted(knowing("path", SUFFIX))
    config = CanvasConfig(length="cascade", lengths=(8, 12))
    canvas_engine(network, config).infill(ask(max_tokens=3))
    assert [len(slot) for slot in network.seen[1].slots] == [3]


def test_more_answers_are_more_finalists(
    scripted: Make, canvas_engine: Make, knowing: Make, ask: Ask
) -> None:
    network = scripted(knowing("path,", SUFFIX))
    answer = canvas_engine(network, CASCADE).infill(ask(n=4, suffix=SUFFIX))
    assert len(answer.choices) == 4
    assert answer.choices[0].text == "path,"
