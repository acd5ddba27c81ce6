"""Ways of decoding: rows and tokens of a pass, and what a whole completion takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from roofline_work import Pass, fits, pass_work, seconds

if TYPE_CHECKING:
    from roofline_work import Assumptions, Gpu, Network

REFRESHED = 17
"""Rows that are encoded again after a keystroke: the typed token, the marker, 15 behind it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mode:
    """One way of decoding.

    Attributes:
        rows: Of each request in a pass.
        tokens: Committed by a pass, on average.
        adapted: Whether mask rows run on the adapter.
        warm: Whether the context's keys are cached, as after a keystroke.
    """

    name: str
    rows: int
    tokens: float
    adapted: bool = True
    warm: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What all predictions of one run share.

    Attributes:
        context: Tokens around the cursor.
        length: Tokens of a completion.
        bits: Of the weights.
        rank: Of the adapter.
    """

    context: int
    length: int
    bits: int
    rank: int
    assumed: Assumptions


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """Of one mode with so many users; seconds."""

    users: int
    step: float
    completion: float
    per_user: float
    per_gpu: float


def shape_of(mode: Mode, setting: Setting, users: int) -> Pass:
    """A pass of this mode."""
    return Pass(
        users=users,
        rows=mode.rows,
        context=setting.context,
        bits=setting.bits,
        rank=setting.rank if mode.adapted else 0,
    )


def predict(
    network: Network, gpu: Gpu, mode: Mode, setting: Setting, users: int
) -> Prediction | None:
    """Times and rates while decoding; None where weights and cache do not fit."""
    shape = shape_of(mode, setting, users)
    if not fits(network, shape, gpu):
        return None
    step = seconds(pass_work(network, shape), gpu, setting.assumed)
    fresh = REFRESHED if mode.warm else setting.context
    reading = Pass(
        users=1, rows=fresh, context=setting.context - fresh, bits=setting.bits, scored=1
    )
    first = seconds(pass_work(network, reading), gpu, setting.assumed)
    return Prediction(
        users=users,
        step=step,
        completion=first + setting.length / mode.tokens * step,
        per_user=mode.tokens / step,
        per_gpu=users * mode.tokens / step,
    )


def turn_that_pays(step: float, passes: float, loop: int) -> float:
    """From which turn of the host on a loop of several passes on the device is faster.

    Where a completion ends is seen by the host alone, in its text. So a loop saves turns and runs
    on to its own end: `(loop - 1) / 2` passes more on average.

    Args:
        step: Seconds of a pass.
        passes: Of a completion.
        loop: Passes between two looks of the host.

    Returns:
        Seconds; infinite where no turn is saved.
    """
    more = (loop - 1) / 2
    saved = passes - (passes + more) / loop
    return step * more / saved if saved > 0 else float("inf")
