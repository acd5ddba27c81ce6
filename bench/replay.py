"""Replays a recorded editing session against the real Language Server and the real engine.

After each change at one place the editor asks for a suggestion where the change ended, and the
request before it is cancelled if it is still open: that is what editors do. What the developer
accepted is in the recording as a change, so the text evolves as recorded whatever is suggested.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from editor_client import EditorClient, EngineTap
from engine_process import resident_mb
from figures import share, summary
from recording import closer_together
from tqdm import tqdm

if TYPE_CHECKING:
    from engine_process import EngineProcess
    from recording import Step

Outcome = Literal["cancelled", "off", "nothing", "engine", "cache"]
_ROOT = "file:///recorded/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What became of one request; `cache` means that a suggestion shown before was shown again."""

    outcome: Outcome
    ms: float


@dataclass(slots=True, kw_only=True)
class _Open:
    """The request that is not answered yet."""

    number: int
    answered: asyncio.Task[None]
    cancelled: bool = False


class Replay:
    """One run through a recording."""

    def __init__(self, client: EditorClient) -> None:
        self.asked: list[Asked] = []
        self.late_ms: list[float] = []
        self._client = client
        self._versions: dict[int, int] = {}
        self._seen: set[str] = set()
        self._open: _Open | None = None

    def prepare(self, steps: list[Step]) -> None:
        """Take steps at once and ask nothing: how the documents came to be as they are."""
        for step in steps:
            self._apply(step)

    async def play(self, timed: list[tuple[float, Step]], speed: float) -> None:
        """Take the steps at their times, `speed` times as fast."""
        began = time.perf_counter()
        for at_ms, step in tqdm(timed, desc="replay"):
            due = began + at_ms / speed / 1e3
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            self.late_ms.append((time.perf_counter() - due) * 1e3)
            self._take(step)
        if self._open is not None:
            await self._open.answered

    def _take(self, step: Step) -> None:
        if self._open is not None and not self._open.answered.done():
            self._open.cancelled = True
            self._client.cancel(self._open.number)
        self._apply(step)
        if step.cursor is not None:
            self._ask(step, step.cursor)

    def _apply(self, step: Step) -> None:
        if step.opened is not None:
            self._show(step, step.opened)
        else:
            self._edit(step)

    def _show(self, step: Step, text: str) -> None:
        uri = _ROOT + step.path
        if step.document in self._versions:
            self._client.notify("textDocument/didClose", {"textDocument": {"uri": uri}})
        self._versions[step.document] = 1
        item = {"uri": uri, "languageId": step.language, "version": 1, "text": text}
        self._client.notify("textDocument/didOpen", {"textDocument": item})

    def _edit(self, step: Step) -> None:
        self._versions[step.document] += 1
        self._client.notify(
            "textDocument/didChange",
            {
                "textDocument": {
                    "uri": _ROOT + step.path,
                    "version": self._versions[step.document],
                },
                "contentChanges": [
                    {"range": {"start": _point(c.start), "end": _point(c.end)}, "text": c.text}
                    for c in step.changes
                ],
            },
        )

    def _ask(self, step: Step, cursor: tuple[int, int]) -> None:
        began = time.perf_counter()
        number, answer = self._client.request(
            "textDocument/inlineCompletion",
            {
                "textDocument": {"uri": _ROOT + step.path},
                "position": _point(cursor),
                "context": {"triggerKind": 2},
            },
        )
        answered = asyncio.ensure_future(self._note(number, answer, began))
        self._open = _Open(number=number, answered=answered)

    async def _note(self, number: int, answer: asyncio.Future[Any], began: float) -> None:
        result = await answer
        ms = (time.perf_counter() - began) * 1e3
        mine = self._open if self._open and self._open.number == number else None
        # An answer to a request that a later one has replaced came too late, cancelled or not.
        cancelled = result is None or mine is None or mine.cancelled
        outcome = "cancelled" if cancelled else self._outcome(result)
        self.asked.append(Asked(outcome=outcome, ms=ms))

    def _outcome(self, result: dict[str, Any]) -> Outcome:
        items = result["items"]
        if not items:
            return "off" if self._client.state == "off" else "nothing"
        name = items[0]["command"]["arguments"][0]
        if name in self._seen:
            return "cache"
        self._seen.add(name)
        return "engine"


def _point(place: tuple[int, int]) -> dict[str, int]:
    return {"line": place[0], "character": place[1]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """The part of a recording that is played.

    Attributes:
        start_minutes: Where it begins, in minutes of play; what was before is there at once.
        minutes: How long it is.
        speed: 1 for as recorded.
        longest_pause_ms: Longer pauses are cut to this before anything is counted.
    """

    start_minutes: float
    minutes: float
    speed: float
    longest_pause_ms: float

    def cut(self, steps: list[Step]) -> tuple[list[Step], list[tuple[float, Step]]]:
        """Steps before the window, and those within it with their times from its start."""
        played = closer_together(steps, self.longest_pause_ms)
        start, end = self.start_minutes * 60e3, (self.start_minutes + self.minutes) * 60e3
        before = [step for at, step in played if at < start]
        return before, [(at - start, step) for at, step in played if start <= at < end]


async def replay(engine: EngineProcess, steps: list[Step], window: Window) -> dict[str, object]:
    """Replay a part of a recording and return its figures."""
    before, timed = window.cut(steps)
    folder = engine.socket.parent
    tap = EngineTap(engine.socket)
    await tap.listen(folder / "tap.sock")
    environment = {**engine.environment, "MIDSPAN_SOCKET": str(folder / "tap.sock")}
    client = await EditorClient.start(environment, folder / "lsp.log")
    try:
        await _initialize(client)
        run = Replay(client)
        run.prepare(before)
        await run.play(timed, window.speed)
        memory = resident_mb(client.process.pid)
        await client.quit()
    finally:
        if client.process.returncode is None:
            client.process.kill()
        tap.close()
    return (
        asdict(window)
        | figures(run.asked, tap.infills)
        | {
            "changes": sum(bool(step.changes) for _, step in timed),
            "engine_cancels": tap.cancels,
            "late_ms": summary(run.late_ms),
            "lsp_mb": memory,
        }
    )


async def _initialize(client: EditorClient) -> None:
    capabilities: dict[str, object] = {
        "textDocument": {"inlineCompletion": {}},
        "experimental": {"midspanStatus": True},
    }
    params = {"processId": None, "rootUri": _ROOT.rstrip("/"), "capabilities": capabilities}
    _, answer = client.request("initialize", params)
    await asyncio.wait_for(answer, 30)
    client.notify("initialized", {})


def figures(asked: list[Asked], infills: int) -> dict[str, object]:
    """Shares and times of a replay.

    `without_engine` counts every request that caused no request to the engine: cached ones, those
    that joined a running one, those refused by the rules, and those cancelled before the pause
    after a keystroke was over. `wanted` are suggestions that came before the next change.
    """
    outcomes = Counter(one.outcome for one in asked)
    shown = outcomes["engine"] + outcomes["cache"]
    allowed = len(asked) - outcomes["off"]
    return {
        "requests": len(asked),
        "outcomes": dict(sorted(outcomes.items())),
        "cancelled_share": share(outcomes["cancelled"], len(asked)),
        "off_share": share(outcomes["off"], len(asked)),
        "engine_requests": infills,
        "without_engine_share": share(len(asked) - infills, len(asked)),
        "without_engine_share_of_allowed": share(max(0, allowed - infills), allowed),
        "shown_from_cache_share": share(outcomes["cache"], shown),
        "wanted_ms": summary([one.ms for one in asked if one.outcome in {"engine", "cache"}]),
        "wanted_from_engine_ms": summary([one.ms for one in asked if one.outcome == "engine"]),
        "wanted_from_cache_ms": summary([one.ms for one in asked if one.outcome == "cache"]),
    }
