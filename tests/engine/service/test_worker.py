"""Whatever happens to the engine thread, whoever waits for it hears of it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from midspan_engine.models.config import TransformerConfig
from midspan_engine.protocol import EngineStatus, InfillRequest, RequestRejected
from midspan_engine.service.worker import EngineWorker

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from midspan_engine.engine import Engine

    Progress = Callable[[float, str], None]


def request() -> InfillRequest:
    return InfillRequest(id=1, session="s", prefix="x")


@pytest.mark.parametrize("error", [KeyError("model.norm.weight"), ImportError("no op"), OSError()])
def test_any_failure_to_load_is_reported_and_answered(error: Exception) -> None:
    waiting = threading.Event()

    def load(_progress: Progress) -> Engine:
        assert waiting.wait(10)
        raise error

    states: list[EngineStatus] = []
    answers: list[object] = []
    worker = EngineWorker(load, states.append, "m")
    worker.start()
    worker.submit("before", request(), answers.append)
    waiting.set()
    assert worker.stop(10)
    worker.submit("after", request(), answers.append)
    assert states[-1].state == "failed"
    assert type(error).__name__ in states[-1].message
    refusals = [answer for answer in answers if isinstance(answer, RequestRejected)]
    assert [refusal.code for refusal in refusals] == ["not_ready", "not_ready"]


def test_a_folder_that_does_not_fit_is_told_in_plain_words(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "gpt2"}', encoding="utf-8")

    def load(_progress: Progress) -> Engine:
        TransformerConfig.from_folder(tmp_path)
        raise AssertionError("the folder was taken")

    states: list[EngineStatus] = []
    worker = EngineWorker(load, states.append, "m")
    worker.start()
    assert worker.stop(10)
    assert "gpt2" in states[-1].message
    assert "Error" not in states[-1].message


def test_a_stop_while_loading_abandons_the_load() -> None:
    entered, release = threading.Event(), threading.Event()

    def load(progress: Progress) -> Engine:
        entered.set()
        assert release.wait(10)
        progress(0.5, "half way")
        raise AssertionError("the load went on")

    states: list[EngineStatus] = []
    worker = EngineWorker(load, states.append, "m")
    worker.start()
    assert entered.wait(10)
    threading.Timer(0.1, release.set).start()
    assert worker.stop(10)
    assert [state.state for state in states] == ["failed"]
    assert "told to stop" in states[0].message
