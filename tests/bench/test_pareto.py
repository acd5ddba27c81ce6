"""The edge is what nothing beats in both figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pareto import Point, draw, front

if TYPE_CHECKING:
    from pathlib import Path

POINTS = [
    Point("ar", 700, 60.0),
    Point("verified", 600, 60.0),
    Point("balanced-0.3", 550, 58.0),
    Point("draft-0.5", 560, 30.0),
]


def test_the_edge_leaves_out_what_is_slower_and_no_better() -> None:
    assert [point.name for point in front(POINTS)] == ["balanced-0.3", "verified"]


def test_the_picture_is_a_png(tmp_path: Path) -> None:
    draw(POINTS, tmp_path / "docs" / "pareto.png")
    assert (tmp_path / "docs" / "pareto.png").read_bytes().startswith(b"\x89PNG")
