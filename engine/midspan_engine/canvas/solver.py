"""From a request to the task that answers it, for canvas models."""

from __future__ import annotations

from typing import TYPE_CHECKING

from midspan_engine.canvas.context import build_context
from midspan_engine.canvas.settings import CanvasConfig
from midspan_engine.canvas.syntax import SyntaxGate
from midspan_engine.canvas.task import CanvasTask, refuse_chat
from midspan_engine.protocol import RequestRejected

if TYPE_CHECKING:
    from midspan_engine.decoding.confidence import Calibration
    from midspan_engine.decoding.solver import OnPartial
    from midspan_engine.decoding.task import Task
    from midspan_engine.protocol import EditRequest, InfillRequest, LikelihoodRequest
    from midspan_engine.runtime.canvas_rows import CanvasRuntime
    from midspan_engine.tokenizer import Tokenizer


class CanvasSolver:
    """See `decoding.solver.Solver`.

    Args:
        runtime: The loaded network.
        tokenizer: Of the same model.
        calibration: From scores to confidence.
        config: How spans are decoded.
        usual: Confidence that a span of each length usually begins with; see `canvas.length`.
    """

    def __init__(
        self,
        runtime: CanvasRuntime,
        tokenizer: Tokenizer,
        calibration: Calibration,
        config: CanvasConfig | None = None,
        usual: dict[int, float] | None = None,
    ) -> None:
        self.runtime, self.tokenizer = runtime, tokenizer
        self.calibration, self.usual = calibration, usual
        self.config = config or CanvasConfig()

    def infill_task(
        self, request: InfillRequest, on_partial: OnPartial, arrived: float | None
    ) -> Task:
        """See `Solver`."""
        refuse_chat(request)
        family = self.runtime.family
        return CanvasTask(
            request,
            build_context(request, self.tokenizer, family, self.config),
            tokenizer=self.tokenizer,
            family=family,
            config=self.config,
            calibration=self.calibration,
            gate=SyntaxGate.of(request) if self.config.syntax else None,
            usual=self.usual,
            on_partial=on_partial,
            arrived=arrived,
        )

    def edit_task(self, request: EditRequest, arrived: float | None) -> Task:
        """Never: these models fill gaps, and no adapter for edits fits them."""
        del request, arrived
        raise self._not_for_edits()

    def likelihood_task(self, request: LikelihoodRequest, arrived: float | None) -> Task:
        """Never, likewise."""
        del request, arrived
        raise self._not_for_edits()

    def _not_for_edits(self) -> RequestRejected:
        name = self.runtime.family.name
        return RequestRejected("failed", f"{name} completes but does not suggest next edits")

    def forget(self, prefix: str) -> None:
        """Nothing is kept between requests: one typed letter changes what every row has seen."""
