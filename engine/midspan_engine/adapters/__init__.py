"""Adapters that ship with Midspan, found by the sum of the weights that they belong to."""

from __future__ import annotations

from pathlib import Path

from midspan_engine.models.adapter_file import AdapterInfo, read_adapter_info


def shipped() -> dict[Path, AdapterInfo]:
    """Every adapter file of this installation, with what it says about itself.

    Raises:
        AdapterError: a file is damaged.
    """
    files = sorted(Path(__file__).parent.glob("*.safetensors"))
    return {file: read_adapter_info(file) for file in files}


def adapter_for(base_sha256: str) -> Path | None:
    """The shipped adapter that was trained for the weights with this sum; None if there is none.

    Raises:
        AdapterError: a file is damaged.
    """
    for file, info in shipped().items():
        if info.base_sha256 == base_sha256:
            return file
    return None
