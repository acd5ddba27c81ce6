from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

import pytest
import torch

from midspan_engine.commands import doctor_gpu

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "nvidiactl"
    path.touch()
    monkeypatch.setattr(doctor_gpu, "DRIVER", path)


@pytest.fixture
def card(driver: None, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ARG001  its effect
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "NVIDIA L4")


def test_without_a_driver_nothing_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor_gpu, "DRIVER", tmp_path / "none")
    assert doctor_gpu.gpu() == []


@pytest.mark.usefixtures("driver")
def test_a_gpu_without_torch_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    (finding,) = doctor_gpu.gpu()
    assert (finding.grade, finding.remedy) == ("warn", "pip install 'midspan[gpu]'")


@pytest.mark.usefixtures("driver")
def test_a_torch_that_sees_no_gpu_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    (finding,) = doctor_gpu.gpu()
    assert finding.grade == "warn"
    assert torch.__version__ in finding.found


@pytest.mark.usefixtures("card")
@pytest.mark.parametrize(
    ("reason", "grade", "found", "remedy"),
    [
        ("", "ok", "NVIDIA L4, on Midspan's kernels", ""),
        ("Triton 3.5 is old", "warn", "by torch's compiler: Triton", "pip install 'midspan[gpu]'"),
        ("the GPU has compute capability 7.5", "warn", "compiler: the GPU has", ""),
    ],
)
def test_what_runs_on_a_gpu_is_said_with_its_reason(
    monkeypatch: pytest.MonkeyPatch, reason: str, grade: str, found: str, remedy: str
) -> None:
    monkeypatch.setattr(doctor_gpu, "why_not", lambda: reason)
    (finding,) = doctor_gpu.gpu()
    assert (finding.grade, finding.remedy) == (grade, remedy)
    assert found in finding.found
