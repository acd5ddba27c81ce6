"""Refusals say the fix, and the choice of a backend follows what is there."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from midspan_kernels import capability
from midspan_kernels.checks import check_device, check_shape
from midspan_kernels.tolerances import TOLERANCES, Tolerance, worst

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "gpu.md"


def test_tensors_on_two_devices_are_named() -> None:
    with pytest.raises(ValueError, match="one on cpu, two on meta"):
        check_device(one=torch.zeros(1), two=torch.zeros(1, device="meta"), three=None)


def test_any_size_is_any_size() -> None:
    check_shape("it", torch.zeros(3, 4), (None, 4))
    with pytest.raises(ValueError, match=r"it must be \[any, 5\]; got \[3, 4\]"):
        check_shape("it", torch.zeros(3, 4), (None, 5))


def test_without_triton_the_twin_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capability, "has_triton", lambda: False)
    assert capability.backend("norm", torch.zeros(1)).__name__ == "midspan_kernels.reference.norm"


def test_on_a_cpu_the_twin_runs_unless_asked_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("triton")
    assert capability.backend("norm", torch.zeros(1)).__name__ == "midspan_kernels.device.norm"
    monkeypatch.delenv("TRITON_INTERPRET")
    assert capability.backend("norm", torch.zeros(1)).__name__ == "midspan_kernels.reference.norm"


def test_an_error_is_a_share_of_what_is_allowed() -> None:
    twin = torch.tensor([1.0, torch.inf, -torch.inf])
    assert worst("head", twin, twin, torch.float32) == 0
    assert worst("head", twin + 1e-3, twin, torch.float32) > 1
    assert worst("head", torch.full((3,), torch.nan), twin, torch.float32) == torch.inf
    assert worst("head", -twin, twin, torch.float32) == torch.inf


def test_the_document_states_what_every_kernel_may_be_off_by() -> None:
    def said(one: Tolerance) -> str:
        powers = {2.0**-7: "2^-7", 2.0**-10: "2^-10"}
        numbers = (f"{value:.0e}".replace("e-0", "e-") for value in (one.absolute, one.relative))
        absolute, relative = numbers
        return f"{absolute} + {powers.get(one.relative, relative)}"

    kinds = (torch.float32, torch.bfloat16, torch.float16)
    rows = {
        line.split("|")[1].split(",")[0].strip(): line.split("|")[2:5]
        for line in DOCUMENT.read_text(encoding="utf-8").splitlines()
        if line.startswith("|")
    }
    for noun in {noun for noun, _ in TOLERANCES}:
        stated = [cell.partition("(")[0].strip() for cell in rows[noun]]
        assert stated == [said(TOLERANCES[noun, kind]) for kind in kinds], noun
