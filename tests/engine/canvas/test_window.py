"""Decoding with a cached context: what is near is computed in every pass, close calls exactly."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest

from midspan_engine.canvas.fitted import read_fitted
from midspan_engine.canvas.settings import CanvasConfig
from midspan_engine.canvas.solver import CanvasSolver
from midspan_engine.decoding.unmask import Fixed
from midspan_engine.engine import Engine
from midspan_engine.models.family import read_family
from midspan_engine.protocol import InfillRequest
from midspan_engine.runtime.canvas_openvino import OpenVinoCanvasRuntime
from midspan_engine.runtime.canvas_torch import TorchCanvasRuntime
from midspan_engine.tokenizer import Tokenizer
from midspan_engine.weights.embedded import embedded_model

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from midspan_engine.models.family import ModelFamily

    Make = Callable[..., Any]
    Ask = Callable[..., InfillRequest]

PREFIX = "def load_module(name, path):\n    with open(path) as "
SUFFIX = ":\n        return [line.rstrip() for line in handle]\n"
EXACT = CanvasConfig(refresh_every=1)
CACHED = dataclasses.replace(EXACT, refresh_every=0, refresh_cells=99, close_call=0.0)


@pytest.mark.parametrize("kind", ["own", "shift", "fim", "no marks of length"])
@pytest.mark.parametrize("network", [TorchCanvasRuntime, OpenVinoCanvasRuntime])
def test_a_window_over_the_whole_context_decodes_exactly(
    canvas_folder: Path,
    canvas_family: ModelFamily,
    canvas_fim: tuple[int, int, int],
    canvas_engine: Make,
    ask: Ask,
    network: Any,
    kind: str,
) -> None:
    marks = canvas_family.marks
    assert marks is not None
    if kind == "fim":
        marks = dataclasses.replace(marks, fim=canvas_fim)
    elif kind == "no marks of length":
        marks = dataclasses.replace(marks, expand=None, delete=None)
    family = dataclasses.replace(canvas_family, marks=marks, shift=kind == "shift")
    exactly = {"exact": True} if network is OpenVinoCanvasRuntime else {}
    runtime = network(canvas_folder, family, **exactly)
    answers = []
    for config in (EXACT, dataclasses.replace(CACHED, near_tokens=999)):
        one = dataclasses.replace(config, length="fixed", masks=6, select=Fixed(1))
        answers.append(canvas_engine(runtime, one).infill(ask(PREFIX, SUFFIX, max_tokens=8)))
    (exact,), (cached,) = (answer.choices for answer in answers)
    assert cached.text == exact.text
    assert cached.mean_logprob == pytest.approx(exact.mean_logprob, abs=1e-4)
    assert answers[0].stats.passes == answers[1].stats.passes


def test_what_is_near_is_computed_in_every_pass_but_those_that_compute_everything(
    scripted: Make, saying: Make, canvas_engine: Make, ask: Ask
) -> None:
    network = scripted(saying("load(path, self)"))
    config = dataclasses.replace(CACHED, near_tokens=3, select=Fixed(1))
    assert canvas_engine(network, config).infill(ask(PREFIX, SUFFIX)).choices
    assert [one.near for one in network.seen] == [0, *[3] * (len(network.seen) - 1)]
    assert network.seen[1].rows == len(network.seen[1].slots[0]) + 6


@pytest.mark.parametrize(
    ("second", "again"), [(3.0, True), (0.0, False)], ids=["a close call", "clear"]
)
def test_a_close_call_is_made_again_with_a_fresh_context(
    scripted: Make, canvas_engine: Make, ask: Ask, second: float, again: bool
) -> None:
    def script(ids: list[int], place: int) -> dict[int, float]:
        del ids
        return {200 + place: 3.0 + place, 300 + place: second + place}

    config = CanvasConfig(select=Fixed(1), masks=3, length="fixed", close_call=0.05)
    network = scripted(script)
    answer = canvas_engine(network, config).infill(ask(PREFIX, SUFFIX))
    # The first pass is exact anyway.
    expected = [True, False, True, False, True] if again else [True, False, False]
    assert [one.refresh for one in network.seen] == expected
    assert answer.stats.passes == len(network.seen)


def test_a_request_that_bounds_the_passes_has_none_made_again(
    scripted: Make, canvas_engine: Make, ask: Ask
) -> None:
    network = scripted(lambda _ids, place: {200 + place: 3.0, 300 + place: 3.0})
    canvas_engine(network, CanvasConfig(masks=8)).infill(ask(steps=4))
    assert [one.refresh for one in network.seen] == [True, False, False, False]


HOLES = (
    ("def area(width, height):\n    return ", "\n"),
    ("import os\n\n\ndef size(path):\n    with open(path) as ", ":\n        return f.read()\n"),
    ("class A:\n    def __init__(self, name):\n        self.name = ", "\n\n    def get(self):\n"),
    ("def total(values):\n    result = 0\n    for value in ", ":\n        result += value\n"),
    ("def f(x):\n    if x", ":\n        return None\n    return x\n"),
    ("items = [1, 2, 3]\nprint(", ")\n"),
)


def test_the_shipped_model_says_the_same_with_and_without_a_cache() -> None:
    files = embedded_model()
    family, fitted = read_family(files.folder), read_fitted(files.folder)
    tokenizer = Tokenizer.load(files, fills=False)
    runtime = OpenVinoCanvasRuntime(files.folder, family)
    code = PREFIX + "handle" + SUFFIX
    texts, rows = [], []
    for every in (0, 1):
        config = CanvasConfig(masks=fitted.masks, refresh_every=every)
        solver = CanvasSolver(runtime, tokenizer, fitted.calibration, config, fitted.usual)
        engine, before = Engine(runtime, tokenizer, solver=solver), runtime.count.rows
        requests = (
            InfillRequest(id=1, session="s", prefix=code + "\n\n" + prefix, suffix=suffix + code)
            for prefix, suffix in HOLES
        )
        texts.append([engine.infill(one).choices[0].text for one in requests])
        rows.append(runtime.count.rows - before)
    assert texts[0] == texts[1]
    assert rows[0] < 0.9 * rows[1]
