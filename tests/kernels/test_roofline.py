"""The prediction: sums that can be done by hand, and what has to hold whatever is assumed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import roofline
from roofline_modes import Mode, Setting, predict, turn_that_pays
from roofline_work import GPUS, NETWORKS, Assumptions, Pass, Work, fits, pass_work, seconds

if TYPE_CHECKING:
    from pathlib import Path

    from roofline_work import Network

H100, L4, RTX4090 = GPUS
SMALL, _, LARGE = NETWORKS
PERFECT = Assumptions(bandwidth=1, arithmetic=1, launch=0)
SETTING = Setting(context=640, length=9, bits=8, rank=32, assumed=Assumptions())
PLAIN = Mode(name="autoregressive", rows=1, tokens=1, adapted=False)


@pytest.mark.parametrize(
    ("network", "billions"), list(zip(NETWORKS, (0.358, 1.31, 6.53), strict=True))
)
def test_the_networks_have_the_weights_that_their_cards_state(
    network: Network, billions: float
) -> None:
    assert network.body / 1e9 == pytest.approx(billions, rel=0.005)


def test_one_row_takes_the_time_of_the_weights() -> None:
    """494 M weights of 2 bytes at 3.35 TB/s."""
    work = pass_work(SMALL, Pass(users=1, rows=1, context=0, bits=16))
    assert seconds(work, H100, PERFECT) == pytest.approx(0.494e9 * 2 / 3.35e12, rel=0.02)


def test_a_kernel_is_bound_by_the_longer_of_bytes_and_arithmetic() -> None:
    moving = Work(name="moving", count=2, bytes=3.35e9, flops=0)
    assert moving.seconds(H100, PERFECT) == pytest.approx(2e-3)
    assert moving.bound(H100, PERFECT) == "bytes"
    computing = Work(name="computing", count=1, bytes=3.35e9, flops=989e10)
    assert computing.seconds(H100, PERFECT) == pytest.approx(1e-2)
    assert computing.bound(H100, PERFECT) == "arithmetic"
    assert Work(name="", count=1, bytes=1, flops=1).bound(H100, Assumptions()) == "launch"


def test_fewer_bits_and_fewer_rows_never_take_longer() -> None:
    times = [
        seconds(pass_work(SMALL, Pass(users=1, rows=rows, context=640, bits=bits)), L4, PERFECT)
        for bits, rows in ((4, 1), (8, 1), (8, 16), (16, 16))
    ]
    assert times == sorted(times)


def test_more_users_share_the_weights() -> None:
    one, many = (predict(SMALL, H100, PLAIN, SETTING, users) for users in (1, 64))
    assert one is not None
    assert many is not None
    assert many.per_user < one.per_user
    assert many.per_gpu > one.per_gpu


def test_after_a_keystroke_the_context_is_not_read_again() -> None:
    cold = Mode(name="", rows=8, tokens=1.35)
    warm = Mode(name="", rows=8, tokens=1.35, warm=True)
    times = [predict(LARGE, L4, mode, SETTING, 1) for mode in (warm, cold)]
    assert times[0] is not None
    assert times[1] is not None
    assert times[0].completion < times[1].completion
    assert times[0].step == times[1].step


def test_what_does_not_fit_is_not_predicted() -> None:
    shape = Pass(users=1, rows=1, context=640, bits=16)
    assert fits(LARGE, shape, L4)
    assert not fits(LARGE, Pass(users=256, rows=1, context=8000, bits=16), RTX4090)
    crowded = Setting(context=8000, length=9, bits=16, rank=0, assumed=PERFECT)
    assert predict(LARGE, RTX4090, PLAIN, crowded, users=256) is None


@pytest.mark.parametrize("bits", [4, 8, 16])
def test_the_tables_say_that_they_are_a_prediction(
    bits: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = tmp_path / "new" / "roofline.png"
    roofline.main(["--bits", str(bits), "--picture", str(picture)])
    printed = capsys.readouterr().out
    assert printed.startswith("PREDICTION")
    assert "1,109 tokens a second, as published" in printed
    assert "autoregressive" in printed
    assert "from which loops of 2 and 4 would pay" in printed
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("loop", [2, 4])
@pytest.mark.parametrize("passes", [3, 6.5])
def test_a_loop_on_the_device_takes_as_long_as_turns_of_the_host_that_just_pay(
    passes: float, loop: int
) -> None:
    step = 700e-6
    turn = turn_that_pays(step, passes, loop)
    run = passes + (loop - 1) / 2
    assert passes * (step + turn) == pytest.approx(run * step + run / loop * turn)
    assert turn_that_pays(step, 1, 2) > turn_that_pays(step, 2, 2)
    assert turn_that_pays(step, 0.5, 2) == float("inf")
