"""Whole requests on a tiny random canvas model, through the engine."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest

from midspan_engine.canvas.settings import CanvasConfig
from midspan_engine.decoding.unmask import Fixed
from midspan_engine.protocol import EditRequest, Infill, RequestRejected, Turn
from midspan_engine.runtime.canvas_openvino import OpenVinoCanvasRuntime
from midspan_engine.runtime.canvas_torch import TorchCanvasRuntime
from midspan_engine.service.process import EngineConfig, load_engine

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from midspan_engine.models.family import ModelFamily
    from midspan_engine.protocol import InfillRequest

    Make = Callable[..., Any]
    Ask = Callable[..., InfillRequest]

PREFIX = "def load_module(name, path):\n    with open(path) as "
SUFFIX = ":\n        return [line.rstrip() for line in handle]\n"


@pytest.fixture(scope="module")
def runtime(canvas_folder: Path, canvas_family: ModelFamily) -> OpenVinoCanvasRuntime:
    return OpenVinoCanvasRuntime(canvas_folder, canvas_family, exact=True)


@pytest.mark.parametrize("prefix", ["", PREFIX, PREFIX + "hand", "if x:\n"])
@pytest.mark.parametrize("suffix", ["", SUFFIX])
@pytest.mark.parametrize("length", ["expand", "cascade", "fixed"])
def test_any_hole_is_filled(
    runtime: OpenVinoCanvasRuntime,
    canvas_engine: Make,
    ask: Ask,
    prefix: str,
    suffix: str,
    length: str,
) -> None:
    engine = canvas_engine(runtime, CanvasConfig(length=length))  # type: ignore[arg-type]
    answer = engine.infill(ask(prefix, suffix, max_tokens=6, n=2, language="python"))
    assert 1 <= len(answer.choices) <= 2
    assert answer.stats.passes < 80
    assert all(choice.finish in {"eos", "line"} for choice in answer.choices)


@pytest.mark.parametrize("shift", [False, True])
def test_refreshing_every_pass_is_the_same_on_every_runtime(
    canvas_folder: Path, canvas_family: ModelFamily, canvas_engine: Make, ask: Ask, shift: bool
) -> None:
    family = dataclasses.replace(canvas_family, shift=shift)
    config = CanvasConfig(select=Fixed(1), refresh_every=1, masks=6)
    answers = [
        canvas_engine(made, config).infill(ask(PREFIX, SUFFIX, max_tokens=6))
        for made in (
            TorchCanvasRuntime(canvas_folder, family),
            OpenVinoCanvasRuntime(canvas_folder, family, exact=True),
        )
    ]
    first, second = (answer.choices[0] for answer in answers)
    assert first.text == second.text
    assert first.mean_logprob == pytest.approx(second.mean_logprob, abs=1e-3)


def test_requests_that_share_passes_answer_as_if_alone(
    runtime: OpenVinoCanvasRuntime, canvas_engine: Make, ask: Ask
) -> None:
    engine = canvas_engine(runtime)
    requests = [
        ask(PREFIX[: 20 + 9 * i], SUFFIX, id=i, session=f"s{i}", max_tokens=5) for i in range(3)
    ]
    together: dict[int, Infill] = {}
    for request in requests:
        engine.submit(request.id, request, lambda a: together.setdefault(a.id, a))
    while engine.step():
        pass
    for request in requests:
        alone = canvas_engine(runtime).infill(request)
        assert [c.text for c in together[request.id].choices] == [c.text for c in alone.choices]


def test_a_newer_request_of_a_session_ends_the_older_one(
    runtime: OpenVinoCanvasRuntime, canvas_engine: Make, ask: Ask
) -> None:
    engine = canvas_engine(runtime)
    answers: list[Infill] = []
    engine.submit(1, ask(PREFIX, id=1), answers.append)
    engine.step()
    engine.submit(2, ask(PREFIX, id=2, max_tokens=3), answers.append)
    while engine.step():
        pass
    assert [(a.id, bool(a.choices)) for a in answers] == [(1, False), (2, True)]


def test_what_such_a_model_cannot_do_is_refused_and_said(
    runtime: OpenVinoCanvasRuntime, canvas_engine: Make, ask: Ask
) -> None:
    engine = canvas_engine(runtime)
    with pytest.raises(RequestRejected, match="midspan-nano completes but does not suggest"):
        engine.edit(EditRequest(id=1, session="e", region="x = 1\n"))
    with pytest.raises(RequestRejected, match="knows no turns"):
        engine.infill(ask(chat=(Turn(role="user", text="hello"),)))
    assert (engine.has_adapter, engine.rewriting, engine.pool) == (False, None, None)
    assert engine.waiting == 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"forbid": ("a",) * 40, "require": ("b",) * 40}, "64 texts together"),
        ({"forbid": ("a" * 2000,)}, "at most 1000 characters"),
        ({"require": ("a" * 2000,)}, "at most 1000 characters"),
        ({"require": ("a" * 900,)}, "max_tokens"),
    ],
)
def test_demands_out_of_bounds_are_refused(
    runtime: OpenVinoCanvasRuntime,
    canvas_engine: Make,
    ask: Ask,
    changes: dict[str, object],
    message: str,
) -> None:
    with pytest.raises(RequestRejected, match=message):
        canvas_engine(runtime).infill(ask(**changes))


def test_nothing_is_kept_between_requests(
    runtime: OpenVinoCanvasRuntime, canvas_engine: Make, ask: Ask
) -> None:
    engine = canvas_engine(runtime)
    first = engine.infill(ask(PREFIX, SUFFIX, max_tokens=4))
    for index in range(5):
        engine.infill(ask(PREFIX[:index], SUFFIX, max_tokens=4, session=f"{index}"))
    engine.cancel_client(1)
    again = engine.infill(ask(PREFIX, SUFFIX, max_tokens=4))
    assert [c.text for c in first.choices] == [c.text for c in again.choices]


@pytest.mark.parametrize("runtime_name", ["openvino", "openvino-fp32", "torch"])
def test_a_folder_with_such_a_model_is_served(
    canvas_folder: Path, tmp_path: Path, ask: Ask, runtime_name: str
) -> None:
    said: list[str] = []
    config = EngineConfig(
        model=str(canvas_folder),
        socket=tmp_path / "socket",
        runtime=runtime_name,  # type: ignore[arg-type]
    )
    engine = load_engine(config, lambda _share, what: said.append(what))
    assert said[0] == "opening the model"
    assert said[-1] == "warming up"
    assert engine.note == ""
    assert engine.infill(ask(PREFIX, SUFFIX, max_tokens=4)).choices
