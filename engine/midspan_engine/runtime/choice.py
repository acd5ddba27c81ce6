"""Which runtime this machine gets."""

from __future__ import annotations

import importlib.util
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from midspan_engine.models.adapter_file import read_adapter
from midspan_engine.models.config import ModelConfigError, TransformerConfig
from midspan_engine.models.family import read_family
from midspan_engine.protocol import MidspanError
from midspan_engine.runtime.kernel_support import why_not, why_not_fp8
from midspan_engine.runtime.quantised import Arithmetic, Merge

if TYPE_CHECKING:
    from collections.abc import Callable

    from midspan_engine.adapters import Adapters
    from midspan_engine.models.adapter import Adapter
    from midspan_engine.models.adapter_file import AdapterArrays, AdapterKind
    from midspan_engine.models.family import ModelFamily
    from midspan_engine.runtime.canvas_rows import CanvasRuntime
    from midspan_engine.runtime.kernel_layers import Stored
    from midspan_engine.runtime.rows import Runtime

    Progress = Callable[[float, str], None]

RuntimeName = Literal[
    "auto",
    "openvino",
    "openvino-groups",
    "openvino-rows",
    "openvino-fp32",
    "torch",
    "compiled",
    "kernels",
    "kernels-int8",
    "kernels-fp8",
]
"""`openvino` computes in int8 in the way that suits the processor, `-groups` and `-rows` in one of
the two (`openvino_products`); `compiled` is plain torch through its compiler, in the passes of
`kernels`."""
_ARITHMETIC: dict[RuntimeName, Arithmetic] = {
    "openvino-groups": "groups",
    "openvino-rows": "rows",
    "openvino-fp32": "exact",
}
_STORED: dict[RuntimeName, Stored] = {
    "kernels": "dense",
    "kernels-int8": "int8",
    "kernels-fp8": "fp8",
}
_logger = logging.getLogger(__name__)


class RuntimeMissing(MidspanError):  # noqa: N818  named for what is missing
    """The chosen runtime is not installed."""


def create_runtime(
    folder: Path,
    *,
    name: RuntimeName = "auto",
    cache_bytes: int,
    threads: int = 0,
    adapters: Adapters | None = None,
    for_edits: bool = False,
    progress: Progress = lambda _share, _what: None,
) -> Runtime:
    """Load a model folder on the runtime that is fastest here.

    On CUDA that is our kernels, or plain torch through its compiler where they do not run, which
    the runtime's name then explains; elsewhere OpenVINO. With `for_edits` it gets the adapter for
    next edits in place of the other two.

    Raises:
        RuntimeMissing: the package of the chosen runtime is not installed, or the GPU is too old
            for it.
        ModelConfigError: the folder does not describe a network that we run.
        AdapterError: the adapter is damaged or belongs to other weights.
        DeviceFull: a GPU has too little memory.
    """
    family = read_family(folder)
    if family.decoding != "causal":
        raise ModelConfigError(f"{folder} holds {family.name}, which is no autoregressive network")
    chosen = _best() if name == "auto" else name
    _require(chosen)
    if not chosen.startswith("openvino"):
        return _on_torch(
            folder,
            name,
            cache_bytes=cache_bytes,
            adapter=None if for_edits else _for_torch(folder, adapters, "mask"),
            merge=_for_torch(folder, adapters, "edits" if for_edits else "infill"),
            progress=progress,
        )
    from midspan_engine.runtime.openvino_runtime import OpenVinoRuntime  # noqa: PLC0415  heavy

    return OpenVinoRuntime(
        folder,
        cache_bytes=cache_bytes,
        threads=threads,
        adapter=None if for_edits else _mask_arrays(folder, adapters),
        merge=Merge.of(adapters, for_edits=for_edits),
        arithmetic=_ARITHMETIC.get(chosen),
        progress=progress,
    )


def create_canvas_runtime(
    folder: Path,
    family: ModelFamily,
    *,
    name: RuntimeName = "auto",
    threads: int = 0,
    progress: Progress = lambda _share, _what: None,
) -> CanvasRuntime:
    """Load a canvas or block model: OpenVINO on CPUs where its rows see everything, else torch.

    Raises:
        RuntimeMissing: the package of the chosen runtime is not installed, or it does not run such
            models.
        ModelConfigError: the weights cannot be used.
    """
    if name == "auto":
        name = "torch" if family.block else _best()
    if name in _STORED or name == "compiled":
        raise RuntimeMissing(f"{name} does not run {family.name} yet; take --runtime torch")
    if family.block and name != "torch":
        raise RuntimeMissing(f"{family.name} decodes in blocks, which needs --runtime torch")
    _require(name)
    if name == "torch":
        from midspan_engine.runtime.canvas_torch import TorchCanvasRuntime  # noqa: PLC0415  heavy

        progress(0.2, "loading the weights into torch")
        return TorchCanvasRuntime(folder, family, device="cuda" if _has_cuda() else "cpu")
    from midspan_engine.runtime.canvas_openvino import OpenVinoCanvasRuntime  # noqa: PLC0415

    exact = name == "openvino-fp32"
    return OpenVinoCanvasRuntime(folder, family, threads=threads, exact=exact, progress=progress)


def _on_torch(
    folder: Path,
    name: RuntimeName,
    *,
    cache_bytes: int,
    adapter: Adapter | None,
    merge: Adapter | None,
    progress: Progress,
) -> Runtime:
    """On our kernels or the compiler where `name` says so or a GPU is here; else on plain torch."""
    cuda = _has_cuda()
    device = "cuda" if cuda else "cpu"
    if name == "torch" or (name == "auto" and not cuda):
        from midspan_engine.runtime.torch_runtime import TorchRuntime  # noqa: PLC0415  heavy

        progress(0.2, "loading the weights into torch")
        return TorchRuntime(
            folder, cache_bytes=cache_bytes, device=device, adapter=adapter, merge=merge
        )
    from midspan_engine.runtime.kernel_runtime import KernelRuntime  # noqa: PLC0415  heavy

    reason = ""
    if name == "auto":
        config = TransformerConfig.from_folder(folder)
        reason = why_not(config, adapter.rank if adapter else 0)
    if reason:
        _logger.warning("torch's compiler instead of our kernels: %s", reason)
    return KernelRuntime(
        folder,
        cache_bytes=cache_bytes,
        device=device,
        adapter=adapter,
        merge=merge,
        stored=_STORED.get(name, "dense"),
        compiled=name == "compiled" or bool(reason),
        reason=reason,
        progress=progress,
    )


def _mask_arrays(folder: Path, adapters: Adapters | None) -> AdapterArrays | None:
    if adapters is None or adapters.mask is None:
        return None
    config = TransformerConfig.from_folder(folder)
    return read_adapter(adapters.mask, config, base_sha256=adapters.merged_sha256)[0]


def _for_torch(folder: Path, adapters: Adapters | None, kind: AdapterKind) -> Adapter | None:
    path = None if adapters is None else getattr(adapters, kind)
    if adapters is None or path is None:
        return None
    from midspan_engine.models.adapter import load_adapter  # noqa: PLC0415  heavy

    config = TransformerConfig.from_folder(folder)
    sha256 = adapters.merged_sha256 if kind == "mask" else adapters.base_sha256
    return load_adapter(path, config, base_sha256=sha256, kind=kind)[0]


def _best() -> RuntimeName:
    only_torch = _is_installed("torch") and not _is_installed("openvino")
    return "torch" if only_torch or _has_cuda() else "openvino"


def _has_cuda() -> bool:
    # Asking torch costs a second and 200 MB, so a machine without a device is not asked.
    if not Path("/dev/nvidiactl").exists() and not Path("/dev/dxg").exists():
        return False
    if not _is_installed("torch"):
        return False
    import torch  # noqa: PLC0415  heavy

    return torch.cuda.is_available()


def _require(name: RuntimeName) -> None:
    for package, extra in _needs(name):
        if not _is_installed(package):
            raise RuntimeMissing(f"{package} is not installed; run: pip install 'midspan[{extra}]'")
    if name in _STORED and _has_cuda():
        if reason := why_not():
            raise RuntimeMissing(f"{name} does not run here: {reason}; take --runtime compiled")
        if name == "kernels-fp8" and (reason := why_not_fp8()):
            raise RuntimeMissing(f"{reason}; take --runtime kernels-int8")


def _needs(name: RuntimeName) -> list[tuple[str, str]]:
    """Packages, and what to install for each. Without a GPU the kernels' twins need no Triton."""
    if name.startswith("openvino"):
        return [("openvino", "engine")]
    if name not in _STORED:
        return [("torch", "torch")]
    needed = [("torch", "gpu")]
    return [*needed, ("triton", "gpu")] if _has_cuda() else needed


def _is_installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None
