"""The engine itself: sessions, tasks and passes. One thread owns it; `service` talks to it."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from midspan_engine.decoding.confidence import DEFAULT
from midspan_engine.decoding.infill import DecodeConfig, InfillTask
from midspan_engine.decoding.prompt import build_prompt
from midspan_engine.decoding.sessions import SessionTable
from midspan_engine.protocol import Infill, InfillRequest, Partial, RequestRejected

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from midspan_engine.decoding.confidence import Calibration
    from midspan_engine.decoding.infill import Passes
    from midspan_engine.runtime.rows import RowGroup, Runtime
    from midspan_engine.tokenizer import Tokenizer

    Reply = Callable[[Infill | Partial | RequestRejected], None]

MOST_TOKENS = 512
MOST_ALTERNATIVES = 8
_logger = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class _Running:
    """A task between two passes."""

    task: InfillTask
    passes: Passes
    groups: list[RowGroup]
    reply: Reply
    session: str


class Engine:
    """Serves any number of requests; those of different sessions share passes.

    Args:
        runtime: The loaded network.
        tokenizer: Of the same model.
        config: How spans are decoded.
        calibration: From scores to confidence.
        most_waiting: Requests beyond this many are refused.
        pass_rows: Rows of one shared pass; a single request may exceed it.
    """

    def __init__(
        self,
        runtime: Runtime,
        tokenizer: Tokenizer,
        *,
        config: DecodeConfig | None = None,
        calibration: Calibration = DEFAULT,
        most_waiting: int = 32,
        pass_rows: int = 320,
    ) -> None:
        self.runtime = runtime
        self.tokenizer = tokenizer
        self.config = config or DecodeConfig()
        self.sessions = SessionTable(runtime.pool)
        self._calibration = calibration
        self._most_waiting = most_waiting
        self._pass_rows = pass_rows
        self._running: dict[Hashable, _Running] = {}

    @property
    def waiting(self) -> int:
        """Requests that are not answered yet."""
        return len(self._running)

    def submit(
        self, key: Hashable, request: InfillRequest, reply: Reply, *, arrived: float | None = None
    ) -> None:
        """Take a request; a running one of the same session is ended first.

        Args:
            key: Names the request in `cancel`.
            request: `session` must be unique among clients.
            reply: Called with every `Partial`, then once with the `Infill` or the refusal.
            arrived: `time.perf_counter()` when the request came in.
        """
        self.cancel(key)  # an id that is used again names the newer request
        for other, running in list(self._running.items()):
            if running.session == request.session:
                self.cancel(other)
        try:
            self._check(request)
            task = self._task(request, reply, arrived)
            passes = task.passes()
            groups = next(passes)
        except RequestRejected as refusal:
            reply(refusal)
            return
        self._running[key] = _Running(
            task=task, passes=passes, groups=groups, reply=reply, session=request.session
        )

    def cancel(self, key: Hashable) -> None:
        """End a request with an answer that has no choices; nothing if it is answered already."""
        running = self._running.pop(key, None)
        if running is not None:
            running.passes.close()
            request = running.task.request
            running.reply(Infill(id=request.id, document_version=request.document_version))

    def cancel_client(self, client: int) -> None:
        """End all requests of a client that went away, and forget its sessions."""
        for key in [key for key in self._running if isinstance(key, tuple) and key[0] == client]:
            self.cancel(key)
        self.sessions.forget(f"{client}:")

    def warm_up(self) -> None:
        """Run every size of pass that the first request will need, so that it need not wait."""
        for text in ("x = 1\n" * 60, "def f():\n"):
            self.infill(InfillRequest(id=0, session="0:warm", prefix=text, max_tokens=2))
        self.sessions.forget("0:")
        self.runtime.settle()

    def step(self) -> bool:
        """Run one pass for as many requests as fit into it. False when there is nothing to do."""
        chosen = self._choose()
        if not chosen:
            return False
        groups = [group for key in chosen for group in self._running[key].groups]
        scores = self.runtime.forward(groups)
        at = 0
        for key in chosen:
            running = self._running[key]
            mine = scores[at : at + len(running.groups)]
            at += len(running.groups)
            try:
                running.groups = running.passes.send(mine)
            except StopIteration:
                del self._running[key]
                running.reply(running.task.result())
            except RequestRejected as refusal:
                del self._running[key]
                running.reply(refusal)
        return True

    def infill(self, request: InfillRequest) -> Infill:
        """Serve one request to its end; for scripts and benches.

        Raises:
            RequestRejected: the request is refused.
        """
        answers: list[Infill | Partial | RequestRejected] = []
        self.submit(object(), request, answers.append)
        while not answers or isinstance(answers[-1], Partial):
            self.step()
        answer = answers[-1]
        if isinstance(answer, RequestRejected):
            raise answer
        assert isinstance(answer, Infill)
        return answer

    def _choose(self) -> list[Hashable]:
        """Small passes first, so that one long context does not hold up everybody's next token."""
        by_size = sorted(self._running, key=self._rows)
        chosen: list[Hashable] = []
        rows = 0
        for key in by_size:
            rows += self._rows(key)
            if chosen and rows > self._pass_rows:
                break
            chosen.append(key)
        return chosen

    def _rows(self, key: Hashable) -> int:
        return sum(len(group.ids) for group in self._running[key].groups)

    def _check(self, request: InfillRequest) -> None:
        limits = (
            (1 <= request.max_tokens <= MOST_TOKENS, f"max_tokens must be 1 to {MOST_TOKENS}"),
            (1 <= request.n <= MOST_ALTERNATIVES, f"n must be 1 to {MOST_ALTERNATIVES}"),
            (request.block_indent >= 0, "block_indent must not be negative"),
            (request.steps is None or request.steps > 0, "steps must be positive"),
            (request.budget_ms is None or request.budget_ms > 0, "budget_ms must be positive"),
        )
        for fits, message in limits:
            if not fits:
                raise RequestRejected("bad_request", message)
        if len(self._running) >= self._most_waiting:
            raise RequestRejected(
                "queue_full", f"{len(self._running)} requests are waiting; try again shortly"
            )

    def _task(self, request: InfillRequest, reply: Reply, arrived: float | None) -> InfillTask:
        prompt = build_prompt(request, self.tokenizer, self.config.context_limit)
        return InfillTask(
            request,
            prompt,
            self.sessions.open(request.session),
            sessions=self.sessions,
            tokenizer=self.tokenizer,
            config=self.config,
            calibration=self._calibration,
            has_adapter=self.runtime.has_adapter,
            on_partial=lambda text: reply(Partial(id=request.id, text=text)),
            arrived=arrived,
        )
