"""What is sent and fetched arrives, and page-locked room is not written over while it is read."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from midspan_engine.runtime.kernel_transfer import Transfers


def numbers(count: int, first: int = 0) -> np.ndarray[Any, np.dtype[np.int32]]:
    return np.arange(first, first + count, dtype=np.int32)


def test_what_is_sent_arrives_in_a_tensor_of_its_own_or_the_given_one() -> None:
    transfers = Transfers("cpu")
    first = transfers.send("rows", numbers(5))
    second = transfers.send("rows", numbers(70, 9).reshape(7, 10))
    given = torch.zeros(3, dtype=torch.int32)
    assert transfers.send("rows", numbers(3, 4), given) is given
    assert first.tolist() == [0, 1, 2, 3, 4]
    assert second.shape == (7, 10)
    assert second[6, 9] == 78
    assert given.tolist() == [4, 5, 6]
    assert transfers.send("rows", numbers(0)).shape == (0,)


def test_what_was_fetched_stays_when_more_is_fetched() -> None:
    transfers = Transfers("cpu")
    first = transfers.fetch(torch.arange(6, dtype=torch.int32).view(2, 3))
    second = transfers.fetch(torch.ones(6, dtype=torch.int32))
    floats = transfers.fetch(torch.full((2, 2), 0.5))
    assert first.tolist() == [[0, 1, 2], [3, 4, 5]]
    assert second.tolist() == [1] * 6
    assert floats.tolist() == [[0.5, 0.5]] * 2
    assert transfers.fetch(torch.zeros(0, 17, dtype=torch.int32)).shape == (0, 17)


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is asked of a device that is not here; its memory is the host's."""
    said: list[str] = []

    class Event:
        made = 0

        def record(self) -> None:
            type(self).made += 1
            self.number = self.made
            said.append(f"mark {self.number}")

        def synchronize(self) -> None:
            said.append(f"wait {self.number}")

    empty = torch.empty

    def fake(*shape: Any, pin_memory: bool = False, device: str = "cpu", **options: Any) -> Any:
        assert device in ("cpu", "cuda")
        if pin_memory:
            said.append("lock")
        return empty(*shape, **options)

    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch, "empty", fake)
    return said


def test_a_pass_waits_once_and_memory_is_locked_once(log: list[str]) -> None:
    transfers = Transfers("cuda")
    for _ in range(2):
        transfers.send("rows", numbers(40))
        transfers.send("wanted", numbers(3))
        transfers.fetch(torch.zeros(3, 17, dtype=torch.int32))
    locked = [what for what in log if what == "lock"]
    assert len(locked) == 3
    passes = [what for what in log if what != "lock"]
    assert passes[:4] == ["mark 1", "mark 2", "mark 3", "wait 3"]
    # The second pass makes sure that the first one's copies are over, which they are by then.
    assert passes[4:] == ["wait 1", "mark 4", "wait 2", "mark 5", "mark 6", "wait 6"]


def test_room_that_is_still_being_read_is_waited_for(log: list[str]) -> None:
    transfers = Transfers("cuda")
    transfers.send("rows", numbers(4))
    transfers.send("rows", numbers(4, 8))
    assert log == ["lock", "mark 1", "wait 1", "mark 2"]
