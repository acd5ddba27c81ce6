"""The small model that comes with the package, for machines that have no other one."""

from __future__ import annotations

from pathlib import Path

from midspan_engine.weights.files import ModelFiles, read_folder

EMBEDDED_MODEL = "midspan-nano"


def embedded_folder() -> Path:
    """Where the package keeps it."""
    return Path(__file__).resolve().parents[1] / "nano"


def embedded_model() -> ModelFiles:
    """Its files.

    Raises:
        WeightsUnusable: the installation is damaged.
    """
    return read_folder(embedded_folder())
