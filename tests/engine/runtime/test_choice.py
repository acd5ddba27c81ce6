"""Which runtime a machine gets, and what it is told to install."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from midspan_engine.models.family import read_family
from midspan_engine.runtime import (
    RuntimeMissing,
    choice,
    create_canvas_runtime,
    create_runtime,
    kernel_runtime,
    torch_runtime,
)

if TYPE_CHECKING:
    from pathlib import Path

    from midspan_engine.runtime import RuntimeName

CACHE = 1 << 20
ALL = {"torch", "triton", "openvino"}


def machine(monkeypatch: pytest.MonkeyPatch, *, cuda: bool, installed: set[str]) -> None:
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
        ("auto", True, ALL - {"triton"}, "TorchRuntime", "cuda"),
        ("auto", False, {"torch", "triton"}, "TorchRuntime", "cpu"),
        ("torch", True, ALL, "TorchRuntime", "cuda"),
        ("kernels", True, ALL, "KernelRuntime", "cuda"),
        ("kernels", False, {"torch"}, "KernelRuntime", "cpu"),
    ],
)
def test_cuda_takes_the_kernels_where_triton_is_there(
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


def test_a_network_that_the_kernels_do_not_take_runs_on_torch_unasked(
    made: list[tuple[str, dict[str, Any]]], tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine(monkeypatch, cuda=True, installed=ALL)
    monkeypatch.setattr("midspan_engine.runtime.kernel_layers.HEAD_SIZES", (64,))
    create_runtime(tiny_folder, cache_bytes=CACHE)
    assert [kind for kind, _ in made] == ["TorchRuntime"]


def test_8_bits_are_asked_for_by_name(
    made: list[tuple[str, dict[str, Any]]], tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine(monkeypatch, cuda=True, installed=ALL)
    for name, bits in (("kernels", 16), ("kernels-int8", 8)):
        create_runtime(tiny_folder, name=name, cache_bytes=CACHE)  # type: ignore[arg-type]
        assert made.pop()[1]["bits"] == bits


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


def test_kernels_for_a_canvas_are_refused_with_what_to_take(canvas_folder: Path) -> None:
    family = read_family(canvas_folder)
    with pytest.raises(RuntimeMissing, match="--runtime torch"):
        create_canvas_runtime(canvas_folder, family, name="kernels")
