from __future__ import annotations

import dataclasses
import itertools
import time
from typing import TYPE_CHECKING, Any

import pytest

from midspan_engine.canvas.settings import CanvasConfig
from midspan_engine.canvas.task import refuse_chat
from midspan_engine.decoding.unmask import Fixed, Threshold
from midspan_engine.protocol import Infill, Partial, RequestRejected, Turn

if TYPE_CHECKING:
    from collections.abc import Callable

    from midspan_engine.models.family import ModelFamily
    from midspan_engine.protocol import InfillRequest
    from midspan_engine.tokenizer import Tokenizer

    Make = Callable[..., Any]
    Ask = Callable[..., InfillRequest]

EXPAND, DELETE = 9, 10
ONE_BY_ONE = CanvasConfig(select=Fixed(1))


@pytest.mark.parametrize("text", ["path", "path,self", "load(path, self, path, self, path)"])
@pytest.mark.parametrize("masks", [1, 4, 8])
def test_a_span_finds_its_length(
    scripted: Make, saying: Make, canvas_engine: Make, ask: Ask, text: str, masks: int
) -> None:
    answer = canvas_engine(scripted(saying(text)), CanvasConfig(masks=masks)).infill(ask())
    (choice,) = answer.choices
    assert (choice.text, choice.finish) == (text, "eos")
    assert 0.0 < choice.confidence < 1.0
    assert choice.mean_logprob == pytest.approx(0.0, abs=1e-2)
    assert answer.stats.passes < 60
    assert answer.stats.prompt_tokens > 0


@pytest.mark.parametrize("most", [1, 2, 5])
def test_an_answer_has_at_most_so_many_tokens(
    scripted: Make, saying: Make, canvas_engine: Make, ask: Ask, most: int
) -> None:
    engine = canvas_engine(scripted(saying("load(path, self, path)")))
    answer = engine.infill(ask(max_tokens=most))
    assert answer.stats.tokens <= most
    assert answer.choices


def test_a_span_of_fixed_length_neither_grows_nor_shrinks(
    scripted: Make, saying: Make, canvas_engine: Make, ask: Ask
) -> None:
    config = CanvasConfig(masks=5, length="fixed")
    network = scripted(saying("path,"))
    assert canvas_engine(network, config).infill(ask()).stats.tokens == 5
    assert {len(slot) for one in network.seen for slot in one.slots} == {5}


def test_a_mask_that_expands_and_deletes_for_ever_ends(
    scripted: Make, canvas_engine: Make, ask: Ask
) -> None:
    def script(ids: list[int], place: int) -> dict[int, float]:
        return {EXPAND: 15.0} if len(ids) == 1 else {DELETE: 15.0 + place}

    network = scripted(script)
    answer = canvas_engine(network, CanvasConfig(masks=1, select=Fixed(1))).infill(
        ask(max_tokens=6)
    )
    assert answer.choices
    assert len(network.seen) < 40


def test_only_expanding_ends_too(scripted: Make, canvas_engine: Make, ask: Ask) -> None:
    network = scripted(lambda _ids, _place: {EXPAND: 15.0, 200: 5.0})
    answer = canvas_engine(network).infill(ask(max_tokens=16))
    assert answer.stats.tokens == 16


def test_an_empty_answer_is_an_answer(scripted: Make, canvas_engine: Make, ask: Ask) -> None:
    answer = canvas_engine(scripted(lambda _ids, _place: {DELETE: 15.0})).infill(ask("", ""))
    assert [(choice.text, choice.finish) for choice in answer.choices] == [("", "eos")]


def test_marks_are_never_said(
    scripted: Make, canvas_engine: Make, canvas_tokenizer: Tokenizer, ask: Ask
) -> None:
    loud = {mark: 30.0 for mark in canvas_tokenizer.marks if mark not in {EXPAND, DELETE}}
    network = scripted(lambda _ids, place: loud | ({200: 15.0} if place < 1 else {DELETE: 15.0}))
    (choice,) = canvas_engine(network).infill(ask()).choices
    assert choice.text == canvas_tokenizer.decode([200])


def test_steps_bound_the_passes(scripted: Make, canvas_engine: Make, ask: Ask) -> None:
    passes = []
    for steps in (1, 2, 8, 100):
        network = scripted(lambda _ids, place: {200 + place: 3.0})
        canvas_engine(network, CanvasConfig(masks=8)).infill(ask(steps=steps))
        passes.append(len(network.seen))
    assert passes == [1, 2, 8, 8]


def test_a_budget_ends_it_with_what_is_there(
    scripted: Make, canvas_engine: Make, canvas_tokenizer: Tokenizer, ask: Ask
) -> None:
    path, comma = (canvas_tokenizer.encode(text)[0] for text in ("path", ","))

    def script(_ids: list[int], place: int) -> dict[int, float]:
        time.sleep(0.01)
        return {path if place == 0 else comma: 9.0 - place}

    answer = canvas_engine(scripted(script), ONE_BY_ONE).infill(ask(budget_ms=5))
    assert [(c.text, c.finish) for c in answer.choices] == [("path", "budget")]
    assert answer.stats.passes == 1


def test_alternatives_that_time_ran_out_for_are_left_out(
    scripted: Make, canvas_engine: Make, ask: Ask
) -> None:
    passes = itertools.count()

    def script(_ids: list[int], place: int) -> dict[int, float]:
        time.sleep(0.04 if next(passes) >= 10 else 0.0)
        return {200 + place: 4.0}

    config = CanvasConfig(select=Fixed(1), masks=4)
    answer = canvas_engine(scripted(script), config).infill(ask(n=4, budget_ms=400))
    assert [choice.finish for choice in answer.choices] == ["eos"]


def test_alternatives_are_drawn_and_the_first_stays(
    scripted: Make, canvas_engine: Make, ask: Ask
) -> None:
    network = scripted(lambda _ids, place: {200 + place: 6.0, 220 + place: 5.5, 240 + place: 5.5})
    engine = canvas_engine(network, CanvasConfig(masks=4))
    alone, many = engine.infill(ask()), engine.infill(ask(n=5))
    texts = [choice.text for choice in many.choices]
    assert texts[0] == alone.choices[0].text
    assert 2 <= len(texts) == len(set(texts)) <= 5
    scores = [choice.mean_logprob for choice in many.choices[1:]]
    assert scores == sorted(scores, reverse=True)
    assert [c.text for c in engine.infill(ask(n=5)).choices] == texts


def test_a_stream_shows_the_first_answer_only(
    scripted: Make, saying: Make, canvas_engine: Make, ask: Ask
) -> None:
    engine = canvas_engine(scripted(saying("load(path, self)")), ONE_BY_ONE)
    seen: list[object] = []
    engine.submit(1, ask(n=3, stream=True, canvas=True), seen.append)
    while engine.step():
        pass
    *partials, answer = seen
    assert isinstance(answer, Infill)
    assert partials
    assert all(isinstance(one, Partial) and one.cells for one in partials)
    texts = [one.text for one in partials if isinstance(one, Partial)]
    assert texts == sorted(texts, key=len)
    assert all(answer.choices[0].text.startswith(text) for text in texts)
    assert texts[-1] == answer.choices[0].text
    assert answer.choices[0].cells


def test_without_a_stream_nothing_is_sent_before_the_answer(
    scripted: Make, saying: Make, canvas_engine: Make, ask: Ask
) -> None:
    engine = canvas_engine(scripted(saying("path")))
    seen: list[object] = []
    engine.submit(1, ask(canvas=True), seen.append)
    while engine.step():
        pass
    assert len(seen) == 1


@pytest.mark.parametrize("passes", range(5))
@pytest.mark.parametrize("length", ["expand", "cascade"])
def test_a_request_is_cancelled_between_two_passes(
    scripted: Make, saying: Make, canvas_engine: Make, ask: Ask, passes: int, length: str
) -> None:
    config = CanvasConfig(select=Fixed(1), length=length)  # type: ignore[arg-type]
    engine = canvas_engine(scripted(saying("load(path, self)")), config)
    seen: list[object] = []
    engine.submit(1, ask(), seen.append)
    for _ in range(passes):
        engine.step()
    engine.cancel(1)
    assert [type(one) for one in seen] == [Infill]
    assert not engine.step()
    assert engine.infill(ask()).choices


@pytest.mark.parametrize(
    ("every", "cells", "refreshed"), [(1, 99, 8), (2, 99, 4), (0, 3, 3), (0, 99, 1), (0, 0, 8)]
)
def test_the_context_is_computed_again_as_often_as_asked(
    scripted: Make, canvas_engine: Make, ask: Ask, every: int, cells: int, refreshed: int
) -> None:
    config = CanvasConfig(
        select=Fixed(1), masks=8, refresh_every=every, refresh_cells=cells, close_call=0.0
    )
    network = scripted(lambda _ids, place: {200 + place: 9.0})
    canvas_engine(network, config).infill(ask())
    assert sum(one.refresh for one in network.seen) == refreshed
    assert len(network.seen) == 8


def test_doubtful_tokens_are_looked_at_once_more(
    scripted: Make, canvas_engine: Make, canvas_tokenizer: Tokenizer, ask: Ask
) -> None:
    path, own, comma = (canvas_tokenizer.encode(text)[0] for text in ("path", "self", ","))

    def script(ids: list[int], place: int) -> dict[int, float]:
        if place == 0:
            return {path: 15.0} if comma in ids else {own: 2.0}
        return {comma: 3.0}

    passes, texts = [], []
    for revisions, least in ((0, 0.0), (1, -1.0), (1, -99.0)):
        config = CanvasConfig(
            select=Threshold(-99.0),
            masks=2,
            length="fixed",
            revisions=revisions,
            revise_below=least,
        )
        network = scripted(script)
        texts.append(canvas_engine(network, config).infill(ask()).choices[0].text)
        passes.append(len(network.seen))
    assert texts == ["self,", "path,", "self,"]
    assert passes == [1, 2, 1]


def test_a_revision_that_time_runs_out_for_leaves_the_answer(
    scripted: Make, canvas_engine: Make, ask: Ask
) -> None:
    def script(ids: list[int], place: int) -> dict[int, float]:
        del ids
        time.sleep(0.004)
        return {200 + place: 2.0}

    config = CanvasConfig(select=Threshold(-99.0), masks=4, length="fixed", revisions=4)
    (choice,) = canvas_engine(scripted(script), config).infill(ask(budget_ms=5)).choices
    assert choice.finish == "eos"
    plain = CanvasConfig(select=Threshold(-99.0), masks=4, length="fixed")
    assert choice.text == canvas_engine(scripted(script), plain).infill(ask()).choices[0].text


def test_conversations_and_edits_are_refused(ask: Ask) -> None:
    with pytest.raises(RequestRejected, match="knows no turns"):
        refuse_chat(ask(chat=(Turn(role="user", text="hello"),)))
    refuse_chat(ask())


@pytest.mark.parametrize("forbid", [("(",), ("",), ("x*",)])
def test_patterns_that_cannot_be_kept_are_refused(
    scripted: Make, saying: Make, canvas_engine: Make, ask: Ask, forbid: tuple[str, ...]
) -> None:
    with pytest.raises(RequestRejected, match="forbid") as refused:
        canvas_engine(scripted(saying("path"))).infill(ask(forbid=forbid))
    assert refused.value.code == "bad_request"


def test_marks_beyond_the_head_are_no_concern(
    scripted: Make,
    saying: Make,
    canvas_engine: Make,
    canvas_tokenizer: Tokenizer,
    monkeypatch: pytest.MonkeyPatch,
    ask: Ask,
) -> None:
    """Some tokenizers name more marks than the network has rows for."""
    monkeypatch.setattr(canvas_tokenizer, "marks", canvas_tokenizer.marks | {5000})
    assert canvas_engine(scripted(saying("path"))).infill(ask()).choices[0].text == "path"


def test_padding_of_the_head_is_never_said(
    scripted: Make, canvas_engine: Make, canvas_family: ModelFamily, ask: Ask
) -> None:
    config = dataclasses.replace(canvas_family.config, vocab_size=500)
    family = dataclasses.replace(canvas_family, config=config)
    network = scripted(lambda _ids, place: {450: 20.0, 200 if place == 0 else DELETE: 15.0}, family)
    assert canvas_engine(network).infill(ask()).stats.tokens == 1
