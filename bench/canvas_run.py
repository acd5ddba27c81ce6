"""Runs requests on a canvas model in one of several ways and counts what they cost."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from midspan_engine import weights
from midspan_engine.canvas.context import build_context
from midspan_engine.canvas.fitted import read_fitted
from midspan_engine.canvas.settings import CanvasConfig
from midspan_engine.canvas.syntax import SyntaxGate
from midspan_engine.canvas.task import CanvasTask
from midspan_engine.models.family import read_family
from midspan_engine.runtime import create_canvas_runtime
from midspan_engine.tokenizer import Tokenizer

if TYPE_CHECKING:
    from pathlib import Path

    from midspan_engine.protocol import InfillRequest
    from midspan_engine.runtime import RuntimeName


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """One answer.

    Attributes:
        text: What it says.
        tokens: Of the span.
        passes: Forward passes.
        rows: That they computed together.
        ms: From request to answer.
        mean_logprob: See `Choice`.
        lowest_logprob: Of the least certain token.
    """

    text: str
    tokens: tuple[int, ...]
    passes: int
    rows: int
    ms: float
    mean_logprob: float
    lowest_logprob: float


class CanvasBench:
    """A loaded canvas model.

    Args:
        model: Name or folder.
        runtime: See `create_canvas_runtime`.
        threads: 0 for one for each physical core.
    """

    def __init__(self, model: str, runtime: RuntimeName = "auto", threads: int = 0) -> None:
        files = weights.resolve(model)
        self.folder: Path = files.folder
        self.family = read_family(files.folder)
        self.fitted = read_fitted(files.folder)
        self.tokenizer = Tokenizer.load(files, fills=False)
        self.runtime = create_canvas_runtime(
            files.folder, self.family, name=runtime, threads=threads
        )
        self.config = CanvasConfig(masks=self.fitted.masks)

    def run(self, request: InfillRequest, config: CanvasConfig) -> Filled:
        """Serve one request to its end."""
        began = time.perf_counter()
        task = CanvasTask(
            request,
            build_context(request, self.tokenizer, self.family, config),
            tokenizer=self.tokenizer,
            family=self.family,
            config=config,
            calibration=self.fitted.calibration,
            gate=SyntaxGate.of(request) if config.syntax else None,
            usual=self.fitted.usual,
        )
        passes, rows = task.passes(), 0
        try:
            groups = next(passes)
            while True:
                rows += sum(one.rows for one in groups)
                groups = passes.send(self.runtime.forward(groups))
        except StopIteration:
            pass
        answer = task.result()
        span = task.spans[0]
        return Filled(
            text=answer.choices[0].text if answer.choices else "",
            tokens=tuple(span.canvas.tokens),
            passes=answer.stats.passes,
            rows=rows,
            ms=(time.perf_counter() - began) * 1e3,
            mean_logprob=span.mean_logprob,
            lowest_logprob=span.lowest_logprob,
        )

    def fixed(self, masks: int) -> CanvasConfig:
        """A span of that many masks, which neither grows nor shrinks."""
        return replace(self.config, length="fixed", masks=max(1, masks))
