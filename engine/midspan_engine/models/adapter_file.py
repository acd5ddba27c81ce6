"""Reads an adapter file without torch, and refuses by name what cannot be used."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from safetensors import SafetensorError, safe_open

from midspan_engine.models.tensor_file import map_tensors, widen_bf16
from midspan_engine.protocol import MidspanError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from midspan_engine.models.config import TransformerConfig

FORMAT_VERSION = "2"
SCALE = ".scale"
"""Ends the name of an int8 matrix's scales, `[rows, 1]`."""
AdapterKind = Literal["mask", "infill", "edits"]
"""What an adapter is for: rows of masked blocks, or merged into the weights, so that all rows have
it: one for infilling, one for next edits."""
LINEARS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


class AdapterError(MidspanError, ValueError):
    """The adapter file cannot be used with this model; the message says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterInfo:
    """What an adapter file says about itself."""

    base_sha256: str
    """Sum of the weights file that it was trained on."""
    base_name: str
    rank: int
    alpha: float
    block: int
    """Longest block, in tokens, that training used."""
    tokens_trained: int
    """Supervised tokens so far."""
    kind: AdapterKind = "mask"


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterArrays:
    """Low-rank weights in float32.

    Attributes:
        mask_embedding: `[hidden]`; None in an adapter that is merged into the weights.
        pairs: `(layer, projection)` to `a [rank, in]` and `b [out, rank]`, scale included in `b`.
    """

    mask_embedding: NDArray[np.float32] | None
    pairs: dict[tuple[int, str], tuple[NDArray[np.float32], NDArray[np.float32]]]

    def pair(self, layer: int, projection: str) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return `(a, b)` of one projection."""
        return self.pairs[layer, projection]


def linear_sizes(config: TransformerConfig) -> dict[str, tuple[int, int]]:
    """(inputs, outputs) of each linear of a layer."""
    hidden, middle = config.hidden_size, config.intermediate_size
    width = config.num_attention_heads * config.head_dim
    kv_width = config.num_key_value_heads * config.head_dim
    return {
        "q_proj": (hidden, width),
        "k_proj": (hidden, kv_width),
        "v_proj": (hidden, kv_width),
        "o_proj": (width, hidden),
        "gate_proj": (hidden, middle),
        "up_proj": (hidden, middle),
        "down_proj": (middle, hidden),
    }


def merged_sha256(base_sha256: str, adapter: Path | None) -> str:
    """Name of the weights that arise when an adapter file, if any, is merged into a base.

    Raises:
        AdapterError: the file cannot be read.
    """
    if adapter is None:
        return base_sha256
    try:
        digest = hashlib.sha256(adapter.read_bytes()).hexdigest()
    except OSError as error:
        raise AdapterError(f"the adapter {adapter} cannot be read: {error}") from error
    return hashlib.sha256(f"{base_sha256}+{digest}".encode()).hexdigest()


def read_adapter_info(path: Path) -> AdapterInfo:
    """Metadata of an adapter file, without its tensors.

    Raises:
        AdapterError: not an adapter file, or one of a newer format.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise AdapterError(
            f"the adapter {path} is missing or damaged ({error}): fetch it again, or train one "
            "with `midspan train adapter`"
        ) from error
    if metadata.get("format") != FORMAT_VERSION:
        raise AdapterError(
            f"the adapter {path} has format {metadata.get('format')!r}, this version reads "
            f"{FORMAT_VERSION!r}: update midspan or use the adapter that came with it"
        )
    try:
        return AdapterInfo(
            base_sha256=metadata["base_sha256"],
            base_name=metadata["base_name"],
            rank=int(metadata["rank"]),
            alpha=float(metadata["alpha"]),
            block=int(metadata["block"]),
            tokens_trained=int(metadata["tokens_trained"]),
            kind=_kind(metadata.get("kind", "mask")),
        )
    except (KeyError, ValueError) as error:
        raise AdapterError(f"the adapter {path} has incomplete metadata: {error}") from error


def _kind(text: str) -> AdapterKind:
    for kind in get_args(AdapterKind):
        if kind == text:
            return kind  # type: ignore[no-any-return]
    raise ValueError(f"unknown kind {text!r}")


def read_adapter(
    path: Path, config: TransformerConfig, *, base_sha256: str, kind: AdapterKind = "mask"
) -> tuple[AdapterArrays, AdapterInfo]:
    """Read an adapter for a runtime without torch.

    Raises:
        AdapterError: see `read_tensors`.
    """
    tensors, info = read_tensors(path, config, base_sha256=base_sha256, kind=kind)
    scale = np.float32(info.alpha / info.rank)
    pairs = {
        (layer, name): (
            tensors[f"layers.{layer}.{name}.lora_a"],
            tensors[f"layers.{layer}.{name}.lora_b"] * scale,
        )
        for layer in range(config.num_hidden_layers)
        for name in LINEARS
    }
    return AdapterArrays(mask_embedding=tensors.get("mask_embedding"), pairs=pairs), info


def read_tensors(
    path: Path, config: TransformerConfig, *, base_sha256: str, kind: AdapterKind = "mask"
) -> tuple[dict[str, NDArray[np.float32]], AdapterInfo]:
    """Read and check an adapter that was trained for the weights with sum `base_sha256`.

    Raises:
        AdapterError: another base, another kind, a damaged file, an unknown, missing or misshapen
            tensor, or a value that is not finite; the message names it and says what to do.
    """
    info = read_adapter_info(path)
    if info.base_sha256 != base_sha256:
        raise AdapterError(
            f"the adapter {path} was trained for {info.base_name} (sha256 "
            f"{info.base_sha256[:12]}…), the loaded weights have {base_sha256[:12]}…: use the "
            "weights it belongs to, or train an adapter for yours with `midspan train adapter`"
        )
    if info.kind != kind:
        raise AdapterError(
            f"the adapter {path} is of kind {info.kind!r}, and one of kind {kind!r} is needed here"
        )
    return _read_checked(path, _shapes(config, info)), info


def _shapes(config: TransformerConfig, info: AdapterInfo) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {}
    if info.kind == "mask":
        shapes["mask_embedding"] = (config.hidden_size,)
    for layer in range(config.num_hidden_layers):
        for name, (inputs, outputs) in linear_sizes(config).items():
            shapes[f"layers.{layer}.{name}.lora_a"] = (info.rank, inputs)
            shapes[f"layers.{layer}.{name}.lora_b"] = (outputs, info.rank)
    return shapes


def _read_checked(
    path: Path, expected: dict[str, tuple[int, ...]]
) -> dict[str, NDArray[np.float32]]:
    advice = f"{path} cannot be used: fetch the adapter again"
    try:
        mapped = map_tensors(path)
    except (KeyError, ValueError) as error:
        raise AdapterError(f"a tensor has an unknown type ({error}); {advice}") from error
    scales = {name + SCALE for name, array in mapped.items() if array.dtype == np.int8}
    for name in sorted((expected.keys() | scales) - mapped.keys()):
        raise AdapterError(f"tensor {name!r} is missing; {advice}")
    for name in sorted(mapped.keys() - expected.keys() - scales):
        raise AdapterError(f"unknown tensor {name!r}; {advice}")
    tensors = {}
    for name, shape in expected.items():
        if mapped[name].shape != shape:
            found = tuple(mapped[name].shape)
            raise AdapterError(f"tensor {name!r} has shape {found}, not {shape}; {advice}")
        tensors[name] = widen_bf16(mapped[name])
        if name + SCALE in scales:
            tensors[name] *= _scale(mapped[name + SCALE], name, shape, advice)
        if not np.isfinite(tensors[name]).all():
            raise AdapterError(f"tensor {name!r} holds a value that is not finite; {advice}")
    return tensors


def _scale(
    scale: NDArray[np.float32], name: str, shape: tuple[int, ...], advice: str
) -> NDArray[np.float32]:
    if scale.shape != (shape[0], 1):
        found = tuple(scale.shape)
        raise AdapterError(
            f"tensor {name + SCALE!r} has shape {found}, not {(shape[0], 1)}; {advice}"
        )
    return scale
