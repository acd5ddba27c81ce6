"""Draws what `twin.py` measured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure

if TYPE_CHECKING:
    from pathlib import Path

_COLOURS = {"ar": "black", "diffusion": "tab:orange", "diffusion-from-ar": "tab:blue"}


def draw_twins(line: dict[str, Any], target: Path) -> None:
    """Exact match over tokens a second, one dot for each way of decoding."""
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    for name, way in line["ways"].items():
        colour = _COLOURS[name.split(",", maxsplit=1)[0]]
        axes.scatter(way["tokens_per_s"], way["exact"], color=colour, zorder=2)
        axes.annotate(
            name.rpartition(", ")[2],
            (way["tokens_per_s"], way["exact"]),
            textcoords="offset points",
            xytext=(6, 4),
            fontsize=8,
        )
    for name, nats in line["nats_a_token"].items():
        bound = "" if name == "ar" else "at most "
        axes.scatter([], [], color=_COLOURS[name], label=f"{name}: {bound}{nats:.2f} nats a token")
    axes.set(
        xlabel="tokens a second (torch, float32, CPU)",
        ylabel="gaps filled exactly (%)",
        title="Twins of 13 million parameters",
    )
    axes.legend()
    axes.grid(alpha=0.3)
    axes.margins(x=0.15, y=0.15)
    target.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(target, dpi=110)
