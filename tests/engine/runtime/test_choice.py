"""Which runtime a machine gets, and what it is told to install."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from midspan_engine.models.family import read_family
from midspan_engine.runtime import (
    RuntimeMissing,
    choice,
    create_canvas_runtime,
    create_runtime,
    kernel_runtime,
    kernel_support,
    torch_runtime,
)

if TYPE_CHECKING:
    from pathlib import Path

    from midspan_engine.runtime import RuntimeName

CACHE = 1 << 20
ALL = {"torch", "triton", "openvino"}


def machine(
    monkeypatch: pytest.MonkeyPatch,
    *,
    cuda: bool,
    installed: set[str],
    triton: str = "3.7.1",
    compute: tuple[int, int] = (9, 0),
) -> None:
    version = triton if "triton" in installed else None
    monkeypatch.setattr(kernel_support, "triton_version", lambda: version)
    monkeypatch.setattr(kernel_support, "compute_capability", lambda: compute)
    monkeypatch.setattr(choice, "_has_cuda", lambda: cuda)
    monkeypatch.setattr(choice, "_is_installed", lambda package: package in installed)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """What would have been made, for devices that are not here."""
    found: list[tuple[str, dict[str, Any]]] = []
    for module, name in ((kernel_runtime, "KernelRuntime"), (torch_runtime, "TorchRuntime")):
        monkeypatch.setattr(
            module, name, lambda _folder, *, kind=name, **options: found.append((kind, options))
        )
    return found


@pytest.mark.parametrize(
    ("name", "cuda", "installed", "kind", "device"),
    [
        ("auto", True, ALL, "KernelRuntime", "cuda"),
        ("auto", True, ALL - {"triton"}, "KernelRuntime", "cuda"),
        ("auto", False, {"torch", "triton"}, "TorchRuntime", "cpu"),
        ("torch", True, ALL, "TorchRuntime", "cuda"),
        ("kernels", True, ALL, "KernelRuntime", "cuda"),
        ("kernels", False, {"torch"}, "KernelRuntime", "cpu"),
        ("compiled", True, {"torch"}, "KernelRuntime", "cuda"),
        ("compiled", False, {"torch"}, "KernelRuntime", "cpu"),
    ],
)
def test_cuda_takes_passes_of_kernels_and_a_cpu_when_it_is_told_to(
    name: RuntimeName,
    cuda: bool,
    installed: set[str],
    kind: str,
    device: str,
    made: list[tuple[str, dict[str, Any]]],
    tiny_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    machine(monkeypatch, cuda=cuda, installed=installed)
    create_runtime(tiny_folder, name=name, cache_bytes=CACHE)
    assert [(one, options["device"]) for one, options in made] == [(kind, device)]


@pytest.mark.parametrize(
    ("here", "reason"),
    [
        ({}, ""),
        ({"triton": "3.10.0"}, ""),
        ({"compute": (8, 0)}, ""),
        ({"installed": ALL - {"triton"}}, "Triton is not installed"),
        ({"triton": "3.6.0+git1"}, "Triton 3.6.0+git1 is older than 3.7"),
        ({"compute": (7, 5)}, "the GPU has compute capability 7.5, below 8.0"),
    ],
)
def test_where_the_kernels_do_not_run_the_compiler_does_and_the_name_says_why(
    here: dict[str, Any],
    reason: str,
    made: list[tuple[str, dict[str, Any]]],
    tiny_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wanted: dict[str, Any] = {"cuda": True, "installed": ALL} | here
    machine(monkeypatch, **wanted)
    create_runtime(tiny_folder, cache_bytes=CACHE)
    [(kind, options)] = made
    assert (kind, options["compiled"], options["reason"]) == ("KernelRuntime", bool(reason), reason)
    if reason and "installed" not in here:
        with pytest.raises(RuntimeMissing, match=rf"{re.escape(reason)}; take --runtime compiled"):
            create_runtime(tiny_folder, name="kernels", cache_bytes=CACHE)


def test_a_network_that_the_kernels_do_not_take_is_compiled_unasked(
    made: list[tuple[str, dict[str, Any]]], tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine(monkeypatch, cuda=True, installed=ALL)
    monkeypatch.setattr("midspan_engine.runtime.kernel_layers.HEAD_SIZES", (64,))
    create_runtime(tiny_folder, cache_bytes=CACHE)
    assert made[0][1]["reason"] == "the network has heads of 32, and the kernels take (64,)"


@pytest.mark.parametrize(
    ("name", "stored"), [("kernels", "dense"), ("kernels-int8", "int8"), ("kernels-fp8", "fp8")]
)
def test_8_bits_are_asked_for_by_name(
    name: RuntimeName,
    stored: str,
    made: list[tuple[str, dict[str, Any]]],
    tiny_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    machine(monkeypatch, cuda=True, installed=ALL, compute=(8, 9))
    create_runtime(tiny_folder, name=name, cache_bytes=CACHE)
    assert (made[0][1]["stored"], made[0][1]["compiled"]) == (stored, False)


def test_8_bit_floats_are_refused_where_the_gpu_has_none(
    tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine(monkeypatch, cuda=True, installed=ALL, compute=(8, 6))
    with pytest.raises(
        RuntimeMissing, match=r"need.* 8\.9 .*has 8\.6; take --runtime kernels-int8"
    ):
        create_runtime(tiny_folder, name="kernels-fp8", cache_bytes=CACHE)


def test_the_version_of_triton_is_that_of_the_package_that_brings_it() -> None:
    triton = pytest.importorskip("triton")
    assert kernel_support.triton_version() == triton.__version__


def test_without_a_gpu_openvino_is_taken(tiny_folder: Path) -> None:
    name = create_runtime(tiny_folder, cache_bytes=CACHE).name
    assert name in ("openvino-int8", "openvino-int8-rows")


@pytest.mark.parametrize(
    ("name", "cuda", "missing", "extra"),
    [
        ("kernels", True, "triton", "gpu"),
        ("kernels", True, "torch", "gpu"),
        ("kernels-int8", False, "torch", "gpu"),
        ("torch", False, "torch", "torch"),
        ("openvino", False, "openvino", "engine"),
        ("openvino-fp32", True, "openvino", "engine"),
    ],
)
def test_what_is_missing_is_named_with_what_installs_it(
    name: RuntimeName,
    cuda: bool,
    missing: str,
    extra: str,
    tiny_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    machine(monkeypatch, cuda=cuda, installed=ALL - {missing})
    with pytest.raises(RuntimeMissing, match=rf"{missing} is not installed.*midspan\[{extra}\]"):
        create_runtime(tiny_folder, name=name, cache_bytes=CACHE)


@pytest.mark.parametrize("name", ["kernels", "kernels-fp8", "compiled"])
def test_kernels_for_a_canvas_are_refused_with_what_to_take(
    name: RuntimeName, canvas_folder: Path
) -> None:
    family = read_family(canvas_folder)
    with pytest.raises(RuntimeMissing, match="--runtime torch"):
        create_canvas_runtime(canvas_folder, family, name=name)
