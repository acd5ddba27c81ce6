"""Draws what `twin.py` measured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure

if TYPE_CHECKING:
    from pathlib import Path


def draw_twins(line: dict[str, Any], target: Path) -> None:
    """Exact match over tokens a second, one dot for each way of decoding."""
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    for name, way in line["ways"].items():
        colour = "black" if name == "ar" else "tab:orange"
        axes.scatter(way["tokens_per_s"], way["exact"], color=colour, zorder=2)
        axes.annotate(
            name,
            (way["tokens_per_s"], way["exact"]),
            textcoords="offset points",
            xytext=(6, 4),
            fontsize=8,
        )
    nats = line["nats_a_token"]
    axes.set(
        xlabel="tokens a second (torch, float32, CPU)",
        ylabel="gaps filled exactly (%)",
        title=f"Twins of 13 million parameters: {nats['ar']:.2f} nats a token autoregressive, "
        f"at most {nats['diffusion_at_most']:.2f} as diffusion",
    )
    axes.title.set_fontsize(10)
    axes.grid(alpha=0.3)
    axes.margins(x=0.15, y=0.15)
    target.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(target, dpi=110)
