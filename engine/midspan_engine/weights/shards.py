"""Which files hold the tensors of a Hugging Face folder, and which of those are to be trusted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec

from midspan_engine.weights.errors import WeightsUnusable

INDEX = "model.safetensors.index.json"
_PICKLES = frozenset({".bin", ".pt", ".pth", ".ckpt", ".pkl"})


class _Index(msgspec.Struct, frozen=True):
    weight_map: dict[str, str]


def tensor_files(folder: Path) -> tuple[Path, ...]:
    """Return the safetensors files of a Hugging Face folder, in the order of their names.

    Raises:
        WeightsUnusable: there are none, the index names one that is not there, or one is a link
            that leads out of the folder.
    """
    index = folder / INDEX
    if not index.is_file():
        single = folder / "model.safetensors"
        if not single.is_file():
            raise WeightsUnusable(_nothing_in(folder))
        _require_inside(single, folder)
        return (single,)
    shards = tuple(folder / name for name in shard_names(_bytes_of(index)))
    for shard in shards:
        if not shard.is_file():
            raise WeightsUnusable(f"{index} names {shard.name}, which is not there")
        _require_inside(shard, folder)
    return shards


def index_map(folder: Path) -> dict[str, str]:
    """Return which shard each tensor is in, as the index says; nothing where there is none.

    Raises:
        WeightsUnusable: the index is damaged.
    """
    index = folder / INDEX
    return _weight_map(_bytes_of(index)) if index.is_file() else {}


def shard_names(index: bytes) -> list[str]:
    """Return the file names in a safetensors index, checked to be plain names.

    Raises:
        WeightsUnusable: not an index, or a name would lead out of the folder.
    """
    names = sorted(set(_weight_map(index).values()))
    if not names:
        raise WeightsUnusable("the safetensors index names no file; fetch it again")
    for name in names:
        plain = Path(name).name == name and "\\" not in name and "\0" not in name
        if not plain or not name.endswith(".safetensors"):
            raise WeightsUnusable(
                f"the safetensors index names {name!r}, which is not the name of a safetensors "
                "file beside it; do not use this model"
            )
    return names


def _weight_map(index: bytes) -> dict[str, str]:
    try:
        described = json.loads(index, object_pairs_hook=_once)
        return msgspec.convert(described, _Index).weight_map
    except (ValueError, RecursionError) as error:
        raise WeightsUnusable(f"not a safetensors index: {error}; fetch it again") from error


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        twice = next(name for name, _ in pairs if [key for key, _ in pairs].count(name) > 1)
        raise ValueError(f"{twice!r} comes twice")
    return found


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise WeightsUnusable(f"{path} cannot be read: {error}") from error


def _nothing_in(folder: Path) -> str:
    text = f"{folder} holds no model.safetensors and no {INDEX}"
    pickles = sorted(path.name for path in folder.glob("*") if path.suffix in _PICKLES)
    if not pickles:
        return text
    return (
        f"{text}, but {pickles[0]}: a pickle, which can run code when it is read. Midspan reads "
        "safetensors and GGUF only; take a revision of the model that has them"
    )


def _require_inside(file: Path, folder: Path) -> None:
    """Refuse links out of the folder, except into the store of a hub's cache."""
    home = folder.resolve()
    allowed = [home]
    if home.parent.name == "snapshots":
        allowed.append(home.parent.parent / "blobs")
    if file.resolve().parent not in allowed:
        raise WeightsUnusable(f"{file} is a link that leads out of {folder}; do not use this model")
