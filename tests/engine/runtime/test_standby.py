"""A runtime that waits until it is needed, and whose failure is told."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, cast

import pytest

from midspan_engine.runtime.standby import Standby

if TYPE_CHECKING:
    from midspan_engine.runtime.rows import Runtime

RUNTIME = cast("Runtime", object())


def test_it_is_loaded_once_and_not_before_it_is_needed() -> None:
    loads: list[str] = []

    def load() -> Runtime:
        loads.append(threading.current_thread().name)
        return RUNTIME

    standby = Standby(load, "the weights")
    assert (loads, standby.is_over) == ([], False)
    standby.begin()
    standby.wait()
    standby.wait()
    assert loads == ["standby"]
    assert standby.runtime is RUNTIME
    assert (standby.failure, standby.is_over) == ("", True)


def test_who_waits_is_called_when_it_is_there() -> None:
    seen: list[Runtime | None] = []
    standby = Standby(lambda: RUNTIME, "the weights")
    standby.on_end = lambda: seen.append(standby.runtime)
    standby.wait()
    assert seen == [RUNTIME]


@pytest.mark.parametrize(
    ("error", "said"), [(OSError("disk full"), "disk full"), (MemoryError(), "MemoryError")]
)
def test_a_failure_is_told_by_name(error: Exception, said: str) -> None:
    def load() -> Runtime:
        raise error

    called: list[bool] = []
    standby = Standby(load, "the weights")
    standby.on_end = lambda: called.append(standby.is_over)
    standby.wait()
    assert standby.runtime is None
    assert standby.failure == f"the weights could not be loaded: {said}"
    assert called == [True]
