"""What identifies a run on disk: its files and the weights that it belongs to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFiles:
    """Where a run keeps what it writes, and the adapter that it may begin from."""

    folder: Path
    export: Path
    initial: Path | None = None
    rebase: bool = False

    @property
    def checkpoint(self) -> Path:
        return self.folder / "checkpoint.pt"

    @property
    def log(self) -> Path:
        return self.folder / "log.jsonl"

    @property
    def curves(self) -> Path:
        return self.folder / "curves.png"


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """The frozen weights' identity, for the adapter's metadata."""

    name: str
    sha256: str
