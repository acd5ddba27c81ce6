"""`bench/gpu.py` in its reduced mode, so that it works on the day when there is a GPU."""

from __future__ import annotations

from typing import TYPE_CHECKING

import gpu
import gpu_cases
import gpu_turn
import pytest
import torch

from midspan_kernels import activation

if TYPE_CHECKING:
    from collections.abc import Callable

    from gpu_cases import Case

NOUNS = ("head", "attention", "rope", "norm", "activation", "linear", "unmask", "verify")


def test_the_reduced_mode_runs_every_kernel(capsys: pytest.CaptureFixture[str]) -> None:
    assert gpu.main(["--reduced"]) == 0
    printed = capsys.readouterr().out
    assert [noun for noun in NOUNS if f"\n{noun}" not in printed] == []
    assert "all agree" in printed
    assert "the host between two passes" in printed
    assert "GB/s" not in printed


def test_twins_alone_run_where_triton_cannot(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("TRITON_INTERPRET")
    assert gpu.main(["--reduced"]) == 0
    assert "the twins alone" in capsys.readouterr().out


def test_the_turn_of_the_host_is_the_engines_own_and_can_be_timed() -> None:
    turns = gpu_turn.Turns("cpu", guesses=3)
    assert turns.take() == 4, "the guesses and the token behind them"
    assert turns.microseconds(2) > 0


def test_8_bit_floats_are_left_out_where_the_gpu_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (8, 6))
    size = gpu_cases.Size(
        network=gpu._SMALL, users=1, rows=1, context=4, device="cuda", kind=torch.float32
    )
    assert not size.takes_fp8


def test_a_wrong_kernel_is_reported(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(activation, "gate", lambda mixed: mixed[:, : len(mixed[0]) // 2])
    assert gpu.main(["--reduced"]) == 1
    assert "2 disagree" in capsys.readouterr().out


@pytest.mark.usefixtures("as_if_timed")
def test_a_timed_line_has_rates_and_what_one_would_take_instead(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for case in one_size():
        assert not gpu._run_case(case, torch.float32, timed=True)
    printed = capsys.readouterr().out
    assert "5.0 us" in printed
    assert "%)" in printed
    assert "torch.compile 5.0" in printed


@pytest.mark.usefixtures("as_if_timed")
def test_a_library_that_refuses_leaves_the_rest_of_the_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def refuse() -> None:
        raise RuntimeError("no kernel image is available")

    case = next(case for case in one_size() if case.noun == "activation")
    case.libraries["torch"] = refuse
    gpu._run_case(case, torch.float32, timed=True)
    assert "torch refused (RuntimeError)" in capsys.readouterr().out


@pytest.fixture
def as_if_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    def instant(call: Callable[[], object], *, captured: bool = True) -> float:
        assert call() is not None or captured
        return 5.0

    monkeypatch.setattr(gpu, "microseconds", instant)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "NVIDIA H100 80GB HBM3")
    monkeypatch.setattr(torch, "compile", lambda call: call)


def one_size() -> list[Case]:
    size = gpu_cases.Size(
        network=gpu._SMALL, users=1, rows=2, context=40, device="cpu", kind=torch.float32
    )
    return list(gpu_cases.all_cases(size))
