"""Token shards: one file for each package, whole source files back to back."""

from __future__ import annotations

import itertools
import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class ShardError(ValueError):
    """The data folder cannot be trained on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """The files of one package."""

    tokens: np.ndarray
    """uint32 `[tokens]`, all files back to back."""
    starts: np.ndarray
    """int64 `[files + 1]`, where each file begins."""
    digests: np.ndarray
    """uint8 `[files, 32]`, for exact duplicates."""
    signatures: np.ndarray
    """uint32 `[files, 64]`, for near duplicates."""
    languages: np.ndarray
    """str `[files]`."""


def write_shard(path: Path, shard: Shard) -> None:
    """Write atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with temporary.open("wb") as file:
        np.savez(
            file,
            tokens=shard.tokens,
            starts=shard.starts,
            digests=shard.digests,
            signatures=shard.signatures,
            languages=shard.languages,
        )
    temporary.replace(path)


def read_shard(path: Path) -> Shard:
    """Read one shard.

    Raises:
        ShardError: damaged file.
    """
    try:
        with np.load(path) as raw:
            return Shard(**{name: raw[name] for name in Shard.__dataclass_fields__})
    except (OSError, ValueError, KeyError) as error:
        raise ShardError(
            f"{path} is damaged ({error}): remove it and run `midspan train data`"
        ) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """All files of one split, grouped by language for even sampling."""

    files: dict[str, list[np.ndarray]]
    """Language to token arrays, one a file."""
    token_counts: dict[str, int]

    @classmethod
    def load(cls, folder: Path, *, held_out: bool) -> Corpus:
        """Read the shards of one split, as `manifest.json` in the folder names them.

        Raises:
            ShardError: there is no data for this split.
        """
        manifest = folder / "manifest.json"
        if not manifest.is_file():
            raise ShardError(f"{manifest} is missing: run `midspan train data --data {folder}`")
        files: dict[str, list[np.ndarray]] = {}
        for entry in json.loads(manifest.read_text(encoding="utf-8"))["packages"]:
            if entry["held_out"] != held_out or not entry["files"]:
                continue
            shard = read_shard(folder / "shards" / f"{entry['key']}.npz")
            pieces = _pieces(shard.tokens, shard.starts)
            for language, piece in zip(shard.languages, pieces, strict=True):
                files.setdefault(str(language), []).append(piece)
        if not files:
            raise ShardError(f"{folder} holds no packages {'held out' if held_out else 'to train'}")
        counts = {name: sum(len(piece) for piece in pieces) for name, pieces in files.items()}
        return cls(files=files, token_counts=counts)


def _pieces(tokens: np.ndarray, starts: np.ndarray) -> Sequence[np.ndarray]:
    return [tokens[a:b] for a, b in itertools.pairwise(starts)]
