"""From a request to the task that answers it, for networks that decode left to right in blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from midspan_engine.decoding.chat_prompt import build_chat_prompt
from midspan_engine.decoding.edit_prompt import WindowError, build_edit_prompt
from midspan_engine.decoding.infill import DecodeConfig, InfillTask
from midspan_engine.decoding.likelihood import LikelihoodTask
from midspan_engine.decoding.prompt import build_prompt
from midspan_engine.decoding.rewrite import RewriteConfig, RewriteTask
from midspan_engine.decoding.sessions import SessionTable
from midspan_engine.protocol import RequestRejected

if TYPE_CHECKING:
    from collections.abc import Callable

    from midspan_engine.decoding.confidence import Calibration
    from midspan_engine.decoding.task import Task
    from midspan_engine.protocol import EditRequest, InfillRequest, LikelihoodRequest, Partial
    from midspan_engine.runtime.blocks import BlockPool
    from midspan_engine.runtime.rows import Runtime
    from midspan_engine.tokenizer import Tokenizer

    OnPartial = Callable[[Partial], None]


class Solver(Protocol):
    """Makes tasks for one kind of network."""

    def infill_task(
        self, request: InfillRequest, on_partial: OnPartial, arrived: float | None
    ) -> Task:
        """The task of a completion.

        Raises:
            RequestRejected: this network cannot do that.
        """
        ...

    def edit_task(self, request: EditRequest, arrived: float | None) -> Task:
        """The task of a next edit.

        Raises:
            RequestRejected: this network cannot do that.
        """
        ...

    def likelihood_task(self, request: LikelihoodRequest, arrived: float | None) -> Task:
        """The task that tells what became unlikely.

        Raises:
            RequestRejected: this network cannot do that.
        """
        ...

    def forget(self, prefix: str) -> None:
        """Drop what is kept for sessions whose names begin so."""
        ...


class BlockSolver:
    """See `Solver`.

    Args:
        runtime: The loaded network.
        tokenizer: Of the same model.
        config: How spans are decoded.
        rewriting: How regions are rewritten.
        calibration: From scores to confidence.
    """

    def __init__(
        self,
        runtime: Runtime,
        tokenizer: Tokenizer,
        config: DecodeConfig,
        rewriting: RewriteConfig,
        calibration: Calibration,
    ) -> None:
        self.runtime, self.tokenizer = runtime, tokenizer
        self.config, self.rewriting, self.calibration = config, rewriting, calibration
        self.sessions = SessionTable(runtime.pool)
        self.edit_sessions: SessionTable | None = None
        """Of the network for next edits, where that is another one and has been loaded."""

    def use_for_edits(self, pool: BlockPool) -> None:
        """Next edits run on another network from now on."""
        self.edit_sessions = SessionTable(pool)

    def infill_task(
        self, request: InfillRequest, on_partial: OnPartial, arrived: float | None
    ) -> Task:
        """See `Solver`."""
        if request.require:
            raise RequestRejected("bad_request", "require: for canvas models only")
        limit = self.config.context_limit
        if request.chat:
            prompt = build_chat_prompt(request.chat, self.tokenizer, limit)
        else:
            prompt = build_prompt(request, self.tokenizer, limit)
        return InfillTask(
            request,
            prompt,
            self.sessions.open(request.session),
            sessions=self.sessions,
            tokenizer=self.tokenizer,
            config=self.config,
            calibration=self.calibration,
            has_adapter=self.runtime.has_adapter,
            on_partial=on_partial,
            arrived=arrived,
        )

    def edit_task(self, request: EditRequest, arrived: float | None) -> Task:
        """See `Solver`."""
        try:
            prompt = build_edit_prompt(request, self.tokenizer, self.rewriting.window)
        except WindowError as error:
            raise RequestRejected("too_large", str(error)) from error
        sessions = self.sessions if self.edit_sessions is None else self.edit_sessions
        return RewriteTask(
            request,
            prompt,
            sessions.open(request.session),
            sessions=sessions,
            tokenizer=self.tokenizer,
            config=self.rewriting,
            arrived=arrived,
        )

    def likelihood_task(self, request: LikelihoodRequest, arrived: float | None) -> Task:
        """See `Solver`."""
        return LikelihoodTask(
            request,
            sessions=self.sessions if self.edit_sessions is None else self.edit_sessions,
            tokenizer=self.tokenizer,
            config=self.rewriting.likelihood,
            arrived=arrived,
        )

    def forget(self, prefix: str) -> None:
        """See `Solver`."""
        self.sessions.forget(prefix)
        if self.edit_sessions is not None:
            self.edit_sessions.forget(prefix)
