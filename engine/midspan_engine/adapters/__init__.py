"""Adapters that ship with Midspan, found by the sum of the weights that they belong to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from midspan_engine.models.adapter_file import (
    AdapterInfo,
    AdapterKind,
    merged_sha256,
    read_adapter_info,
)


def shipped() -> dict[Path, AdapterInfo]:
    """Every adapter file of this installation, with what it says about itself.

    Raises:
        AdapterError: a file is damaged.
    """
    files = sorted(Path(__file__).parent.glob("*.safetensors"))
    return {file: read_adapter_info(file) for file in files}


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapters:
    """The adapter files that a model runs with.

    Attributes:
        base_sha256: Sum of the weights file that they were trained for.
        infill: Merged into the weights, so that every row has it.
        mask: For the rows of masked blocks; it belongs to the weights with `infill` merged.
        edits: Merged into a second copy of the weights, which next edits run on; without it they
            run on the first.
    """

    base_sha256: str
    infill: Path | None = None
    mask: Path | None = None
    edits: Path | None = None

    @property
    def merged_sha256(self) -> str:
        """Names the weights that the mask adapter was trained on."""
        return merged_sha256(self.base_sha256, self.infill)

    @classmethod
    def choose(
        cls, base_sha256: str, *, infill: str = "auto", mask: str = "none", edits: str = "none"
    ) -> Adapters:
        """Those that the words stand for: a path, `none`, or `auto` for what ships, if anything.

        Raises:
            AdapterError: a file is damaged.
        """
        merged = _chosen(infill, "infill", base_sha256)
        frozen = merged_sha256(base_sha256, merged)
        return cls(
            base_sha256=base_sha256,
            infill=merged,
            mask=_chosen(mask, "mask", frozen),
            edits=_chosen(edits, "edits", base_sha256),
        )


def _chosen(word: str, kind: AdapterKind, base_sha256: str) -> Path | None:
    if word != "auto":
        return None if word == "none" else Path(word)
    for file, info in shipped().items():
        if (info.kind, info.base_sha256) == (kind, base_sha256):
            return file
    return None
