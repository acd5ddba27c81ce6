"""The engine itself: sessions, tasks and passes. One thread owns it; `service` talks to it."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from midspan_engine.decoding.confidence import DEFAULT
from midspan_engine.decoding.infill import DecodeConfig
from midspan_engine.decoding.rewrite import RewriteConfig
from midspan_engine.decoding.solver import BlockSolver
from midspan_engine.limits import check
from midspan_engine.protocol import (
    Edited,
    EditRequest,
    Infill,
    InfillRequest,
    LikelihoodRequest,
    Likelihoods,
    Partial,
    RequestRejected,
)
from midspan_engine.turns import Running, choose

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from midspan_engine.decoding.confidence import Calibration
    from midspan_engine.decoding.sessions import SessionTable
    from midspan_engine.decoding.solver import Solver
    from midspan_engine.decoding.task import Task
    from midspan_engine.runtime.blocks import BlockPool
    from midspan_engine.runtime.canvas_rows import CanvasRuntime
    from midspan_engine.runtime.rows import Runtime
    from midspan_engine.runtime.standby import Standby
    from midspan_engine.tokenizer import Tokenizer
    from midspan_engine.turns import Answer, Reply

    Request = InfillRequest | EditRequest | LikelihoodRequest

_LOADING_MS = 10_000
"""A request with less time than that does not wait for weights that have to be loaded first."""
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    """A request that waits for its network."""

    request: EditRequest | LikelihoodRequest
    reply: Reply
    arrived: float | None


class Engine:
    """Serves any number of requests; those of different sessions share passes.

    Args:
        runtime: The loaded network.
        tokenizer: Of the same model.
        solver: Turns requests into tasks; None for that of the block family, which the next three
            are for.
        standby: Loads the network that next edits run on, where that is another one.
        config: How spans are decoded.
        rewriting: How regions are rewritten.
        calibration: From scores to confidence.
        most_waiting: Requests beyond this many are refused.
        most_active: Requests of each kind that run at a time; the others wait for their turn.
        pass_rows: Rows of one shared pass; a single request may exceed it.
        rows_with_guests: Rows of a pass of completions up to which edits join it.
        model: Name to report where it is not the one that was asked for.
        note: What its users should know, if anything.
    """

    def __init__(
        self,
        runtime: Runtime | CanvasRuntime,
        tokenizer: Tokenizer,
        *,
        solver: Solver | None = None,
        standby: Standby | None = None,
        config: DecodeConfig | None = None,
        rewriting: RewriteConfig | None = None,
        calibration: Calibration = DEFAULT,
        most_waiting: int = 32,
        most_active: int = 3,
        pass_rows: int = 320,
        rows_with_guests: int = 48,
        model: str = "",
        note: str = "",
    ) -> None:
        self.runtime = runtime
        self.tokenizer = tokenizer
        self.model, self.note = model, note
        self.standby = standby
        self.solver = solver or BlockSolver(
            cast("Runtime", runtime),
            tokenizer,
            config or DecodeConfig(),
            rewriting or RewriteConfig(),
            calibration,
        )
        self._held: dict[Hashable, _Held] = {}
        self._most_waiting = most_waiting
        self._most_active = most_active
        self._pass_rows = pass_rows
        self._rows_with_guests = rows_with_guests
        self._running: dict[Hashable, Running] = {}
        self.on_pass: Callable[[int, int, float], None] | None = None
        """Called after each pass with its requests, its rows and its seconds."""

    @property
    def sessions(self) -> SessionTable:
        """What is kept between requests; only networks of the block family keep anything."""
        blocks = self._blocks
        assert blocks is not None
        return blocks.sessions

    @property
    def has_adapter(self) -> bool:
        """Whether masks are run on an adapter's weights."""
        return self._blocks is not None and self._blocks.runtime.has_adapter

    @property
    def rewriting(self) -> RewriteConfig | None:
        """How regions are rewritten; None where the network does not do that."""
        return None if self._blocks is None else self._blocks.rewriting

    @property
    def pool(self) -> BlockPool | None:
        """Pages of the context cache, where there is one."""
        return None if self._blocks is None else self._blocks.runtime.pool

    @property
    def _blocks(self) -> BlockSolver | None:
        return self.solver if isinstance(self.solver, BlockSolver) else None

    @property
    def waiting(self) -> int:
        """Requests that are not answered yet."""
        return len(self._running) + len(self._held)

    def submit(
        self, key: Hashable, request: Request, reply: Reply, *, arrived: float | None = None
    ) -> None:
        """Take a request; a running one of the same session is ended first.

        Args:
            key: Names the request in `cancel`.
            request: `session` must be unique among clients.
            reply: Called with every `Partial`, then once with the answer or the refusal.
            arrived: `time.perf_counter()` when the request came in.
        """
        self.cancel(key)  # an id that is used again names the newer request
        for other, session in self._sessions_in_use():
            if session == request.session:
                self.cancel(other)
        try:
            check(request)
            self._check_room()
            if not isinstance(request, InfillRequest) and self._waits_for_weights(request):
                self._held[key] = _Held(request=request, reply=reply, arrived=arrived)
                return
            task = self._task(request, reply, arrived)
        except RequestRejected as refusal:
            reply(refusal)
            return
        self._running[key] = Running(
            task=task,
            passes=task.passes(),
            reply=reply,
            session=request.session,
            runtime=self._runtime_of(request),
        )

    def cancel(self, key: Hashable) -> None:
        """End a request with an answer that has nothing in it, unless it is answered already."""
        held = self._held.pop(key, None)
        if held is not None:
            held.reply(_cancelled(held.request))
        running = self._running.pop(key, None)
        if running is not None:
            running.passes.close()
            running.reply(running.task.cancelled())

    def cancel_client(self, client: int) -> None:
        """End all requests of a client that went away, and forget its sessions."""
        for key, _ in self._sessions_in_use():
            if isinstance(key, tuple) and key[0] == client:
                self.cancel(key)
        self.solver.forget(f"{client}:")

    def warm_up(self) -> None:
        """Run every size of pass that the first request will need, so that it need not wait."""
        for text in ("x = 1\n" * 60, "def f():\n"):
            self.infill(InfillRequest(id=0, session="0:warm", prefix=text, max_tokens=2))
        self.solver.forget("0:")
        self.runtime.settle()

    def step(self) -> bool:
        """Run one pass for as many requests as fit into it. False when there is nothing to do."""
        self._release_held()
        self._begin()
        chosen = choose(
            self._running, most=self._pass_rows, most_with_guests=self._rows_with_guests
        )
        if not chosen:
            return False
        groups = [group for key in chosen for group in self._groups(key)]
        began = time.perf_counter()
        scores = self._running[chosen[0]].runtime.forward(groups)
        if self.on_pass:
            rows = sum(group.rows for group in groups)
            self.on_pass(len(chosen), rows, time.perf_counter() - began)
        at = 0
        for key in chosen:
            running = self._running[key]
            mine = scores[at : at + len(self._groups(key))]
            at += len(mine)
            self._go_on(key, lambda: running.passes.send(mine))  # noqa: B023  called at once
        return True

    def _begin(self) -> None:
        """Start the oldest requests, as many of each kind as may run at a time.

        While somebody types, a request that has waited is one whose text still stands. Started all
        at once, most would be cancelled half way, and the passes spent on them lost.
        """
        for kind in (True, False):
            ours = [key for key, one in self._running.items() if one.task.is_urgent is kind]
            begun = sum(self._running[key].groups is not None for key in ours)
            for key in ours:
                running = self._running[key]
                if begun < self._most_active and running.groups is None:
                    begun += self._go_on(key, lambda: next(running.passes))  # noqa: B023

    def _go_on(self, key: Hashable, move: Callable[[], list[Any]]) -> bool:
        """Take a request to its next pass, or answer it; False where that was its end."""
        running = self._running[key]
        try:
            running.groups = move()
        except StopIteration:
            del self._running[key]
            running.reply(running.task.result())
        except RequestRejected as refusal:
            del self._running[key]
            running.reply(refusal)
        else:
            return True
        return False

    def infill(self, request: InfillRequest) -> Infill:
        """Serve one request to its end; for scripts and benches.

        Raises:
            RequestRejected: the request is refused.
        """
        answer = self._serve(request)
        assert isinstance(answer, Infill)
        return answer

    def edit(self, request: EditRequest) -> Edited:
        """As `infill`, for a region."""
        answer = self._serve(request)
        assert isinstance(answer, Edited)
        return answer

    def likelihoods(self, request: LikelihoodRequest) -> Likelihoods:
        """As `infill`, for passages."""
        answer = self._serve(request)
        assert isinstance(answer, Likelihoods)
        return answer

    def _serve(self, request: Request) -> Answer:
        answers: list[Answer] = []
        self.submit(object(), request, answers.append)
        while not answers or isinstance(answers[-1], Partial):
            if not self.step() and self.standby:
                self.standby.wait()
        answer = answers[-1]
        if isinstance(answer, RequestRejected):
            raise answer
        return answer

    def _check_room(self) -> None:
        if self.waiting >= self._most_waiting:
            message = f"{self.waiting} requests are waiting; try again shortly"
            raise RequestRejected("queue_full", message)

    def _sessions_in_use(self) -> list[tuple[Hashable, str]]:
        held = [(key, held.request.session) for key, held in self._held.items()]
        return held + [(key, running.session) for key, running in self._running.items()]

    def _runtime_of(self, request: Request) -> Runtime | CanvasRuntime:
        edits = self.standby.runtime if self.standby else None
        return self.runtime if isinstance(request, InfillRequest) or not edits else edits

    def _waits_for_weights(self, request: EditRequest | LikelihoodRequest) -> bool:
        """Whether the network for next edits is still to come.

        Raises:
            RequestRejected: it never will, or it will be too late.
        """
        blocks = self._blocks
        if self.standby is None or blocks is None or blocks.edit_sessions is not None:
            return False
        if self.standby.runtime is not None:
            blocks.use_for_edits(self.standby.runtime.pool)
            return False
        if self.standby.failure:
            raise RequestRejected("failed", self.standby.failure)
        self.standby.begin()
        if request.budget_ms is not None and request.budget_ms < _LOADING_MS:
            message = "the weights for next edits are being loaded; try again shortly"
            raise RequestRejected("not_ready", message)
        return True

    def refuse_held(self, reason: str) -> None:
        """Answer those that wait for weights which will not come any more."""
        held, self._held = self._held, {}
        for one in held.values():
            one.reply(RequestRejected("not_ready", reason))

    def _release_held(self) -> None:
        if self._held and self.standby and self.standby.is_over:
            held, self._held = self._held, {}
            for key, one in held.items():
                self.submit(key, one.request, one.reply, arrived=one.arrived)

    def _groups(self, key: Hashable) -> list[Any]:
        groups = self._running[key].groups
        assert groups is not None
        return groups

    def _task(self, request: Request, reply: Reply, arrived: float | None) -> Task:
        if isinstance(request, InfillRequest):
            return self.solver.infill_task(request, reply, arrived)
        if isinstance(request, LikelihoodRequest):
            return self.solver.likelihood_task(request, arrived)
        return self.solver.edit_task(request, arrived)


def _cancelled(request: EditRequest | LikelihoodRequest) -> Edited | Likelihoods:
    kind = Edited if isinstance(request, EditRequest) else Likelihoods
    return kind(id=request.id, document_version=request.document_version, finish="cancelled")
