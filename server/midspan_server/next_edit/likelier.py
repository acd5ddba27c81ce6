"""Candidate regions in the order in which the model finds their text out of date.

Text that became unlikely through what the person did may be where the next edit belongs. It is a
hint beside what the rules know and no more: alone it puts the right region first less often than
they do (`bench/next_edit_where.py`). What a rename points to is settled and is not asked about.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from midspan_server.next_edit.regions import Candidate

Order = Literal["mixed", "worst line", "whole"]
ORDERS: tuple[Order, ...] = ("mixed", "worst line", "whole")
_OF_A_NAT = 0.02
"""What a nat that a line lost is worth beside the score of the rules."""


def unsettled(regions: Sequence[Candidate]) -> list[Candidate]:
    """The regions that the model may put in order, best first; [] where nothing is to choose."""
    left = [one for one in regions if one.reason != "renamed"]
    return left if len(left) > 1 else []


def reordered(
    regions: Sequence[Candidate], asked: Sequence[Candidate], losses: Sequence[Sequence[float]]
) -> list[Candidate]:
    """The regions with those that were asked about in their new order, behind all others.

    Args:
        regions: Best first, by the rules.
        asked: Those of them that the model was asked about.
        losses: Of the lines of each that it got to, in order.
    """
    others = [one for one in regions if one not in asked]
    return others + ranked(asked, losses)


def ranked(
    regions: Sequence[Candidate], losses: Sequence[Sequence[float]], order: Order = "mixed"
) -> list[Candidate]:
    """The regions, best first; those that were not read come behind the others.

    Args:
        regions: Best first, by the rules.
        losses: Nats that the lines of each region lost; there may be fewer than regions.
        order: What counts: the sum of what was lost beside the score of the rules, the line that
            lost most alone, or what the whole region lost, lines that won included.
    """
    read = sorted(
        zip(regions, losses, strict=False),
        key=lambda one: _worth(one[0], one[1], order),
        reverse=True,
    )
    return [one for one, _ in read] + list(regions[len(losses) :])


def _worth(region: Candidate, losses: Sequence[float], order: Order) -> float:
    if order == "worst line":
        return max(losses, default=0.0)
    if order == "whole":
        return sum(losses)
    return region.score + _OF_A_NAT * sum(max(0.0, loss) for loss in losses)
