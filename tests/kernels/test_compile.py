"""Ahead-of-time compilation, in a process of its own: here kernels belong to the interpreter."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("triton")
import triton

from midspan_kernels import compile as compiling

_PATIENCE = 800
"""Two minutes where nothing is cached and the machine is idle."""

pytestmark = pytest.mark.timeout(_PATIENCE + 60)
PACKAGES = Path(__file__).resolve().parents[2] / "kernels"


@pytest.fixture(scope="module")
def compiled() -> dict[str, dict[str, int]]:
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    environment["PYTHONPATH"] = str(PACKAGES)
    process = subprocess.run(
        [sys.executable, "-m", "midspan_kernels.compile", "--json"],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        timeout=_PATIENCE,
    )
    assert process.returncode == 0, process.stderr[-3000:]
    table: dict[str, dict[str, int]] = json.loads(process.stdout)["kernels"]
    return table


def test_every_kernel_compiles_for_every_architecture_that_runs_it(
    compiled: dict[str, dict[str, int]],
) -> None:
    kernels = {name.rsplit(" ", 1)[0] for name in compiled}
    wanted = {
        f"{name} sm_{arch}"
        for name in kernels
        for arch in compiling.ARCHITECTURES
        if arch >= (89 if "fp8" in name else 80)
    }
    assert set(compiled) == wanted
    assert any("fp8" in name for name in kernels)
    assert {80, 90, 100} <= set(compiling.ARCHITECTURES)


def test_nothing_spills(compiled: dict[str, dict[str, int]]) -> None:
    version, _ = compiling.read_table()
    most = 0 if version == triton.__version__ else compiling.LITTLE
    assert [name for name, row in compiled.items() if row["stack"] > most] == []


def test_a_program_fits_a_small_gpu(compiled: dict[str, dict[str, int]]) -> None:
    """An L4 and an RTX 4090 (sm_89) run what is compiled for sm_80 and give it 99 KiB."""
    large = [
        name for name, row in compiled.items() if "sm_80" in name and row["shared"] > 99 * 1024
    ]
    assert large == []


def test_a_spill_less_occupancy_and_an_unknown_kernel_are_regressions() -> None:
    good = compiling.Compiled(registers=64, stack=0, shared=0, occupancy=50)
    assert compiling.regressions({"k": good}, {"k": good}) == []
    assert "spills" in compiling.regressions({"k": replace(good, stack=8)}, {"k": good})[0]
    less = {"k": replace(good, occupancy=25)}
    assert "25 % now" in compiling.regressions(less, {"k": good})[0]
    assert compiling.regressions(less, {"k": good}, is_same=False) == []
    spills = {"k": replace(good, stack=compiling.LITTLE)}
    assert compiling.regressions(spills, {"k": good}, is_same=False) == []
    more = {"k": replace(good, stack=compiling.LITTLE + 8)}
    assert "spills" in compiling.regressions(more, {"k": good}, is_same=False)[0]
    assert "not in the table" in compiling.regressions({"k": good}, {})[0]
    assert "is gone" in compiling.regressions({}, {"k": good})[0]


@pytest.mark.parametrize(
    ("warps", "registers", "shared", "percent"),
    [(4, 32, 0, 100), (4, 255, 0, 12), (8, 128, 0, 25), (4, 32, 100 * 1024, 6), (1, 16, 0, 50)],
)
def test_occupancy_is_what_registers_and_shared_memory_leave(
    warps: int, registers: int, shared: int, percent: int
) -> None:
    assert compiling.occupancy(80, warps, registers, shared) == percent


def test_what_does_not_fit_has_none() -> None:
    assert compiling.occupancy(80, 4, 32, 170 * 1024) == 0
