"""Draws quality against time, and the line of what nothing beats in both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from matplotlib.figure import Figure

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_LABEL_HEIGHTS = (-22, 4, 14, -12)
"""Points above or below their dot, in turn: neighbours in time are often neighbours in quality."""


@dataclass(frozen=True, slots=True)
class Point:
    """One way of decoding: mean milliseconds of a request, and the share that is right in %."""

    name: str
    ms: float
    right: float


def front(points: Sequence[Point]) -> list[Point]:
    """Those that no other beats in one figure without losing in the other, fastest first."""
    best: list[Point] = []
    for point in sorted(points, key=lambda point: (point.ms, -point.right)):
        if not best or point.right > best[-1].right:
            best.append(point)
    return best


def draw(points: Sequence[Point], target: Path) -> None:
    """Write the picture as a PNG."""
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    edge = front(points)
    axes.plot([p.ms for p in edge], [p.right for p in edge], color="0.7", zorder=1)
    colours = {"ar": "black", "verified": "tab:blue", "balanced": "tab:green"}
    for index, point in enumerate(sorted(points, key=lambda point: point.ms)):
        family = point.name.split("-", maxsplit=1)[0]
        axes.scatter(point.ms, point.right, color=colours.get(family, "tab:orange"), zorder=2)
        place = (6, _LABEL_HEIGHTS[index % len(_LABEL_HEIGHTS)])
        at = (point.ms, point.right)
        axes.annotate(point.name, at, textcoords="offset points", xytext=place, fontsize=8)
    axes.set(xlabel="mean time of a cold request (ms)", ylabel="pass@1 (%)")
    axes.margins(x=0.15, y=0.12)
    axes.grid(alpha=0.3)
    target.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(target, dpi=110)
