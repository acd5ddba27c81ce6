"""int8 weights, written once, memory-mapped.

There is one scale for each group of 128 input channels, or one for each output of a rotated network
(`rotation`), whichever runs best here. Without the rotation one dynamic scale for a whole row loses
8 of 18 exact matches (40 single-line tasks, against float32).
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from midspan_engine.models.adapter_file import AdapterArrays, merged_sha256, read_adapter
from midspan_engine.models.config import TransformerConfig
from midspan_engine.models.tensor_file import map_tensors
from midspan_engine.runtime.folder_weights import FolderWeights, joined_linears
from midspan_engine.runtime.rotation import Rotation

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from midspan_engine.adapters import Adapters
    from midspan_engine.models.adapter_file import AdapterKind

    Weights = Callable[[str], NDArray[np.float32]]

GROUP = 128
Kind = Literal["groups", "rows"]
FORMATS: dict[Kind, str] = {"groups": "midspan-int8-groups-2", "rows": "midspan-int8-rows-1"}
Arithmetic = Literal["exact"] | Kind
_LIMIT = 127.0
_CPU_INFO = Path("/proc/cpuinfo")

_logger = logging.getLogger(__name__)


def quantise(
    weight: NDArray[np.float32],
) -> tuple[NDArray[np.int8], NDArray[np.float16]]:
    """Return int8 values `[out, groups, group]` and scales `[out, groups, 1]` of `[out, in]`.

    The group is 128 channels, or the whole row where 128 does not divide it.
    """
    rows, columns = weight.shape
    group = GROUP if columns % GROUP == 0 else columns
    grouped = weight.reshape(rows, columns // group, group)
    scale = np.maximum(np.abs(grouped).max(axis=2, keepdims=True) / _LIMIT, 1e-7)
    scale = scale.astype(np.float16)
    values = np.rint(grouped / scale.astype(np.float32))
    return np.clip(values, -_LIMIT, _LIMIT).astype(np.int8), scale


def quantise_rows(
    weight: NDArray[np.float32],
) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Return int8 values `[out, in]` and scales `[out, 1]` of `[out, in]`."""
    scale = np.maximum(np.abs(weight).max(axis=1, keepdims=True) / _LIMIT, 1e-7)
    return np.rint(weight / scale).astype(np.int8), scale.astype(np.float32)


def best_kind() -> Kind:
    """`rows` where the processor multiplies int8 tiles (AMX), else `groups`."""
    try:
        return "rows" if "amx_int8" in _CPU_INFO.read_text().split() else "groups"
    except OSError:
        return "groups"


def write_quantised(config: TransformerConfig, weights: Weights, path: Path, kind: Kind) -> None:
    """Quantise every product and write one file, atomically.

    Raises:
        OSError: the folder cannot be written.
    """
    tensors = _grouped(config, weights) if kind == "groups" else _rotated(config, weights)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        save_file(tensors, partial, metadata={"format": FORMATS[kind]})
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _grouped(config: TransformerConfig, weights: Weights) -> dict[str, Any]:
    tensors: dict[str, Any] = {}
    for name, parts in joined_linears(config).items():
        stacked = np.concatenate([weights(part + ".weight") for part in parts])
        tensors[name + ".values"], tensors[name + ".scale"] = quantise(stacked)
    return tensors


def _rotated(config: TransformerConfig, weights: Weights) -> dict[str, Any]:
    rotation = Rotation(config, weights)
    tensors: dict[str, Any] = {}
    for name in joined_linears(config):
        tensors[name + ".values"], tensors[name + ".scale"] = quantise_rows(rotation.product(name))
        if name.endswith("qkv") and config.qkv_bias:
            tensors[name + ".bias"] = rotation.bias(name)
    return tensors


@dataclass(frozen=True, slots=True)
class Merge:
    """An adapter that is merged into the weights before they are quantised."""

    path: Path
    base_sha256: str
    kind: AdapterKind = "infill"

    @classmethod
    def of(cls, adapters: Adapters | None, *, for_edits: bool = False) -> Merge | None:
        """That of the chosen adapters, if any."""
        if adapters is None:
            return None
        kind: AdapterKind = "edits" if for_edits else "infill"
        path = adapters.edits if for_edits else adapters.infill
        return cls(path, adapters.base_sha256, kind) if path else None

    def read(self, config: TransformerConfig) -> AdapterArrays:
        """Its low-rank weights.

        Raises:
            AdapterError: see `adapter_file.read_tensors`.
        """
        return read_adapter(self.path, config, base_sha256=self.base_sha256, kind=self.kind)[0]


def quantised_path(folder: Path, merge: Merge | None, kind: Kind) -> Path:
    """Where the int8 weights of a model folder are kept: one file for each merged adapter."""
    name = "base"
    if merge is not None:
        name = f"{merge.kind}-{merged_sha256(merge.base_sha256, merge.path)[:16]}"
    return folder / "int8" / f"{name}.{kind}.safetensors"


def quantise_apart(folder: Path, path: Path, merge: Merge | None, kind: Kind) -> None:
    """Run `write_quantised` in a process of its own: the engine would keep the memory it takes.

    Files of other adapters of the same kind, half a gigabyte each, are removed.

    Raises:
        OSError: the process failed; the text is its last line.
    """
    module = "midspan_engine.runtime.quantised"
    command = [sys.executable, "-m", module, str(folder), str(path), kind]
    if merge is not None:
        command += [str(merge.path), merge.base_sha256, merge.kind]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = (done.stderr.strip() or "no message").splitlines()[-1]
        raise OSError(f"the weights in {folder} could not be converted to int8: {reason}")
    kept = {quantised_path(folder, merge, one).name for one in FORMATS}
    others = path.parent.glob(f"{merge.kind}-*.safetensors") if merge else ()
    for other in others:
        if other.name not in kept:
            other.unlink(missing_ok=True)


def read_quantised(path: Path, kind: Kind) -> dict[str, NDArray[Any]] | None:
    """Memory-map the file; None where it is missing, damaged or of another format."""
    try:
        with safe_open(path, framework="numpy") as opened:
            if (opened.metadata() or {}).get("format") != FORMATS[kind]:
                return None
    except (OSError, SafetensorError) as error:
        if path.exists():
            _logger.warning("%s cannot be read and will be made again: %s", path, error)
        return None
    return map_tensors(path)


def _merge_of(path: str, base_sha256: str, kind: str) -> Merge:
    return Merge(Path(path), base_sha256, cast("AdapterKind", kind))


def _main(folder: Path, target: Path, kind: Kind, merge: Merge | None) -> None:
    config = TransformerConfig.from_folder(folder)
    merged = merge.read(config) if merge else None
    write_quantised(config, FolderWeights(folder, merged), target, kind)


if __name__ == "__main__":
    _folder, _target, _kind, *_rest = sys.argv[1:]
    _merge = _merge_of(*_rest) if _rest else None
    _main(Path(_folder), Path(_target), cast("Kind", _kind), _merge)
