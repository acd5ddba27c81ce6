from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from midspan_server import scheduling
from midspan_server.scheduling import Scheduler, Want
from midspan_server.snapshot import DocumentSnapshot

if TYPE_CHECKING:
    from collections.abc import Callable


class Work:
    """A request to the engine that ends when told to."""

    def __init__(self) -> None:
        self.answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.commit: Callable[[str], None] = lambda _: None
        self.cancelled = False

    async def ask(self, on_partial: Callable[[str], None]) -> str:
        self.commit = on_partial
        try:
            return await self.answer
        except asyncio.CancelledError:
            self.cancelled = True
            raise


def _want(text: str, *, invoked: bool = False, uri: str = "file:///a.py") -> Want:
    """A request at the end of `text`."""
    snapshot = DocumentSnapshot(uri, None, 1, "python", text)
    return Want(snapshot=snapshot, offset=len(text), invoked=invoked)


async def _started(scheduler: Scheduler[str], want: Want, work: Work) -> asyncio.Task[str | None]:
    scheduler.announce(want)
    task = asyncio.ensure_future(scheduler.run(want, work.ask))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return task


async def test_an_answer_reaches_who_asked() -> None:
    scheduler, work = Scheduler[str](), Work()
    task = await _started(scheduler, _want("x"), work)
    work.answer.set_result("yes")
    assert await task == "yes"


async def test_a_newer_request_elsewhere_ends_the_running_one() -> None:
    scheduler, first, second = Scheduler[str](), Work(), Work()
    overtaken = await _started(scheduler, _want("x"), first)
    latest = await _started(scheduler, _want("y"), second)
    assert await overtaken is None
    assert first.cancelled
    second.answer.set_result("yes")
    assert await latest == "yes"


async def test_documents_do_not_disturb_each_other() -> None:
    scheduler, first, second = Scheduler[str](), Work(), Work()
    one = await _started(scheduler, _want("x"), first)
    other = await _started(scheduler, _want("y", uri="file:///b.py"), second)
    first.answer.set_result("1")
    second.answer.set_result("2")
    assert (await one, await other) == ("1", "2")


async def test_typing_on_joins_the_running_request() -> None:
    scheduler, work = Scheduler[str](), Work()
    task = await _started(scheduler, _want("x"), work)
    later = _want("xy")
    scheduler.announce(later)
    joined = asyncio.ensure_future(scheduler.joined(later))
    await asyncio.sleep(0)
    work.commit("yz")
    work.answer.set_result("yz")
    assert await joined
    assert await task == "yz"


async def test_a_joined_request_is_left_when_its_text_diverges() -> None:
    scheduler, work = Scheduler[str](), Work()
    task = await _started(scheduler, _want("x"), work)
    later = _want("xy")
    scheduler.announce(later)
    joined = asyncio.ensure_future(scheduler.joined(later))
    await asyncio.sleep(0)
    work.commit("ab")
    assert not await joined
    assert not work.cancelled
    work.answer.set_result("ab")
    assert await task == "ab"


async def test_a_request_by_hand_does_not_join_an_automatic_one() -> None:
    scheduler, work = Scheduler[str](), Work()
    task = await _started(scheduler, _want("x"), work)
    by_hand = _want("x", invoked=True)
    scheduler.announce(by_hand)
    assert not await scheduler.joined(by_hand)
    assert await task is None


async def test_a_request_nobody_waits_for_ends_after_a_grace(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(scheduling, "ORPHAN_GRACE_MS", 5)
    scheduler, work = Scheduler[str](), Work()
    task = await _started(scheduler, _want("x"), work)
    task.cancel()
    await asyncio.sleep(0)
    assert not work.cancelled
    await asyncio.sleep(0.05)
    assert work.cancelled


async def test_errors_of_the_engine_reach_all_who_wait() -> None:
    scheduler, work = Scheduler[str](), Work()
    task = await _started(scheduler, _want("x"), work)
    later = _want("xy")
    joined = asyncio.ensure_future(scheduler.joined(later))
    await asyncio.sleep(0)
    work.answer.set_exception(ValueError("no"))
    with pytest.raises(ValueError, match="no"):
        await task
    with pytest.raises(ValueError, match="no"):
        await joined


async def test_a_pause_ends_what_was_overtaken() -> None:
    scheduler: Scheduler[str] = Scheduler()
    first, second = _want("x"), _want("xy")
    scheduler.announce(first)
    waiting = asyncio.ensure_future(scheduler.pause(first, 5))
    await asyncio.sleep(0)
    scheduler.announce(second)
    assert not await waiting
    assert await scheduler.pause(second, 0)


async def test_the_pause_adapts_to_bursts(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    scheduler: Scheduler[str] = Scheduler()
    for text in ("x", "xy", "xyz"):
        want = _want(text)
        scheduler.announce(want)
        assert await scheduler.pause(want, None)
    assert slept == [scheduling._BURST_PAUSE_MS / 1000] * 2


async def test_closing_a_document_ends_its_request() -> None:
    scheduler, work = Scheduler[str](), Work()
    task = await _started(scheduler, _want("x"), work)
    scheduler.forget("file:///a.py")
    assert await task is None
    assert work.cancelled
