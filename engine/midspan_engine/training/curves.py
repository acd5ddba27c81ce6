"""Draw the log of a run as a PNG."""

from __future__ import annotations

import json
import logging
import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

_LOG = logging.getLogger(__name__)


def read_log(path: Path) -> list[dict[str, Any]]:
    """All complete lines of a JSON-lines log."""
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            lines.append(json.loads(line))
        except ValueError:
            continue  # a process that was killed leaves half a line
    return lines


def draw_curves(log: Path, target: Path) -> None:
    """Loss, accuracy by position, accepted tokens over supervised tokens; needs matplotlib."""
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415 - an extra, not needed to train
    except ImportError:
        _LOG.info("no curves: install midspan[bench] for matplotlib")
        return
    lines = read_log(log)
    steps = [line for line in lines if line["kind"] == "steps"]
    results = [line for line in lines if line["kind"] == "evaluation"]
    figure = Figure(figsize=(13, 4), layout="constrained")
    panels = list(figure.subplots(1, 3))
    panels[0].plot([line["tokens"] for line in steps], [line["loss"] for line in steps], lw=0.8)
    panels[0].set(title="training loss", xlabel="supervised tokens")
    if results:
        draw = _draw_blocks if "positions" in results[0] else _draw_infilling
        draw(results, panels[1], panels[2])
    figure.savefig(target, dpi=110)


def _draw_blocks(results: list[dict[str, Any]], accuracy: Any, drafts: Any) -> None:
    tokens = [line["tokens"] for line in results]
    for position in range(4):
        shares = [100 * line["positions"][position] for line in results]
        accuracy.plot(tokens, shares, marker=".", label=f"position {position + 1}")
    accuracy.set(title="held out, all masked: right (%)", xlabel="supervised tokens")
    accuracy.legend()
    drafts.plot(tokens, [line["accepted"] for line in results], marker=".", label="accepted")
    for depth in ("3", "7"):
        values = [line["passes"][depth] for line in results]
        drafts.plot(tokens, values, marker=".", label=f"tokens a pass, {depth} drafted")
    drafts.set(title="greedy continuations", xlabel="supervised tokens")
    drafts.legend()


def _draw_infilling(results: list[dict[str, Any]], shares: Any, loss: Any) -> None:
    tokens = [line["tokens"] for line in results]
    for name in ("exact", "text_exact", "right", "end_right"):
        shares.plot(
            tokens, [100 * line.get(name, math.nan) for line in results], marker=".", label=name
        )
    shares.set(title="held out spans (%)", xlabel="supervised tokens")
    shares.legend()
    loss.plot(tokens, [line["loss"] for line in results], marker=".")
    loss.set(title="held out cross entropy", xlabel="supervised tokens")
