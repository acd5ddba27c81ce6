"""The ways of decoding that are compared, each as an engine on one of two networks."""

from __future__ import annotations

import argparse
import math
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Self

from infilling_tasks import request_for
from llama_server import LLAMA, LlamaServer
from loading import load

from midspan_engine.decoding.infill import DecodeConfig
from midspan_engine.decoding.unmask import EntropyBound, Fixed, Threshold
from midspan_engine.engine import Engine

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from infilling_tasks import Task, TaskSet

    from midspan_engine.protocol import Effort


@dataclass(slots=True, kw_only=True)
class Run:
    """One answer, and what it cost."""

    text: str
    tokens: int
    passes: int
    decode_ms: float
    total_ms: float
    exact: bool = False
    passed: bool = False

    def record(self) -> dict[str, object]:
        """For the JSON-lines file."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mode:
    """How to decode, and whether the network has the diffusion adapter."""

    effort: Effort
    config: DecodeConfig
    masks: bool = False


def _mode(effort: Effort, *, masks: bool = False, **config: object) -> Mode:
    return Mode(effort=effort, config=DecodeConfig(**config), masks=masks)  # type: ignore[arg-type]


MODES = {
    "ar": _mode("verified", rows=1, look_up=False),
    "verified": _mode("verified"),
    "verified-masks": _mode("verified", masks=True),
    "balanced-0.5": _mode("balanced", tolerance=0.5),
    "balanced-0.3": _mode("balanced", tolerance=0.3),
    "balanced-0.1": _mode("balanced", tolerance=0.1),
    "balanced-0.3-masks": _mode("balanced", masks=True, tolerance=0.3),
    "draft-0.9": _mode("draft", masks=True, select=Threshold(math.log(0.9))),
    "draft-0.7": _mode("draft", masks=True, select=Threshold(math.log(0.7))),
    "draft-0.5": _mode("draft", masks=True, select=Threshold(math.log(0.5))),
    "draft-entropy-0.5": _mode("draft", masks=True, select=EntropyBound(0.5)),
    "draft-fixed-2": _mode("draft", masks=True, select=Fixed(2)),
    "draft-fixed-4": _mode("draft", masks=True, select=Fixed(4)),
    LLAMA: None,
}
"""By name; llama.cpp's server is no engine of ours."""


class Modes:
    """Engines of the chosen modes; at most one network with and one without the adapter."""

    def __init__(self, args: argparse.Namespace, names: Sequence[str]) -> None:
        self._llama = LlamaServer.start(args.gguf) if LLAMA in names else None
        self.names = [name for name in names if name != LLAMA or self._llama]
        chosen = {name: mode for name in self.names if (mode := MODES[name]) is not None}
        networks = {}
        for masks in sorted({mode.masks for mode in chosen.values()}):
            plain = argparse.Namespace(**{**vars(args), "adapter": "none"})
            networks[masks] = load(args if masks else plain)
        self._engines = {
            name: (mode, Engine(*networks[mode.masks], config=mode.config))
            for name, mode in chosen.items()
        }
        for _, engine in self._engines.values():
            engine.warm_up()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        if self._llama:
            self._llama.stop()

    def run(self, name: str, task: Task, which: TaskSet, number: int) -> Run:
        """Decode a task with nothing cached."""
        if name == LLAMA and self._llama:
            request = request_for(task, which, number=number, effort="verified")
            began = time.perf_counter()
            answer = self._llama.infill(request)
            total_ms = (time.perf_counter() - began) * 1e3
            return Run(
                text=answer.text,
                tokens=answer.tokens,
                passes=answer.tokens,
                decode_ms=answer.decode_ms,
                total_ms=total_ms,
            )
        mode, engine = self._engines[name]
        request = request_for(task, which, number=number, effort=mode.effort)
        began = time.perf_counter()
        result = engine.infill(request)
        total_ms = (time.perf_counter() - began) * 1e3
        engine.sessions.forget(request.session)
        return Run(
            text=result.choices[0].text,
            tokens=result.stats.tokens,
            passes=result.stats.passes,
            decode_ms=result.stats.decode_ms,
            total_ms=total_ms,
        )
