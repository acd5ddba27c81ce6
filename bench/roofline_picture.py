"""Draws predicted rates as the batch grows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.figure import Figure
from roofline_modes import predict
from roofline_work import GPUS, NETWORKS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from matplotlib.axes import Axes
    from roofline_modes import Mode, Setting
    from roofline_work import Network

USERS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
_COLOURS = ("tab:blue", "tab:orange", "tab:green")
_STYLES = (":", "-.", "--", "-")


def draw(modes: Sequence[Mode], setting: Setting, target: Path) -> None:
    """Write the picture as a PNG; its title says that nothing of it was measured."""
    figure = Figure(figsize=(15, 7.5), layout="constrained")
    panels = figure.subplots(2, len(NETWORKS), sharex=True)
    figure.suptitle(
        f"PREDICTION from bytes and operations, not a measurement ({setting.bits}-bit weights, "
        f"{setting.context} tokens of context)"
    )
    for column, network in enumerate(NETWORKS):
        for row, what in enumerate(("per_user", "per_gpu")):
            axes = panels[row][column]
            _draw_one(axes, network, modes, setting, what)
            axes.set_xscale("log", base=2)
            axes.set_yscale("log")
            axes.set_xticks(USERS, [str(users) for users in USERS])
            axes.grid(alpha=0.3)
        panels[0][column].set_title(network.name)
        panels[1][column].set_xlabel("users in the batch")
    panels[0][0].set_ylabel("tokens a second for each user")
    panels[1][0].set_ylabel("tokens a second of the GPU")
    lines, names = panels[0][0].get_legend_handles_labels()
    figure.legend(lines, names, loc="outside right center", fontsize=8)
    target.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(target, dpi=110)


def _draw_one(
    axes: Axes, network: Network, modes: Sequence[Mode], setting: Setting, what: str
) -> None:
    for gpu, colour in zip(GPUS, _COLOURS, strict=True):
        for mode, style in zip(modes, _STYLES, strict=True):
            found = [predict(network, gpu, mode, setting, users) for users in USERS]
            points = [(one.users, getattr(one, what)) for one in found if one is not None]
            label = f"{gpu.name}, {mode.name}"
            axes.plot(
                [users for users, _ in points],
                [rate for _, rate in points],
                color=colour,
                linestyle=style,
                label=label,
            )
