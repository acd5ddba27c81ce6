"""Adapters that ship with Midspan, found by the sum of the weights that they belong to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from midspan_engine.models.adapter_file import (
    AdapterError,
    AdapterInfo,
    AdapterKind,
    merged_sha256,
    read_adapter_info,
)

EDITS = "edits"
"""Names the infilling adapter that was also taught next edits, and its folder."""


def shipped(folder: str = "") -> dict[Path, AdapterInfo]:
    """Every adapter file of this installation, with what it says about itself.

    Args:
        folder: "" for those that `auto` chooses from, or `EDITS`.

    Raises:
        AdapterError: a file is damaged.
    """
    files = sorted((Path(__file__).parent / folder).glob("*.safetensors"))
    return {file: read_adapter_info(file) for file in files}


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapters:
    """The adapter files that a model runs with.

    Attributes:
        base_sha256: Sum of the weights file that they were trained for.
        infill: Merged into the weights, so that every row has it.
        mask: For the rows of masked blocks; it belongs to the weights with `infill` merged.
    """

    base_sha256: str
    infill: Path | None = None
    mask: Path | None = None

    @property
    def merged_sha256(self) -> str:
        """Names the weights that the mask adapter was trained on."""
        return merged_sha256(self.base_sha256, self.infill)

    @classmethod
    def choose(cls, base_sha256: str, *, infill: str = "auto", mask: str = "none") -> Adapters:
        """Those that the words stand for: a path, `none`, or `auto` for what ships, if anything.

        For `infill` also `edits`: the one that was taught next edits too.

        Raises:
            AdapterError: a file is damaged, or none for next edits ships for these weights.
        """
        merged = _chosen(infill, "infill", base_sha256)
        frozen = merged_sha256(base_sha256, merged)
        return cls(base_sha256=base_sha256, infill=merged, mask=_chosen(mask, "mask", frozen))


def _chosen(word: str, kind: AdapterKind, sha256: str) -> Path | None:
    if word == "auto":
        return _find(shipped(), kind, sha256)
    if word == EDITS and kind == "infill":
        found = _find(shipped(EDITS), kind, sha256)
        if found is None:
            raise AdapterError(
                "no adapter for next edits ships for these weights: train one with "
                "`midspan train edit`"
            )
        return found
    return None if word == "none" else Path(word)


def _find(files: dict[Path, AdapterInfo], kind: AdapterKind, base_sha256: str) -> Path | None:
    for file, info in files.items():
        if (info.kind, info.base_sha256) == (kind, base_sha256):
            return file
    return None
