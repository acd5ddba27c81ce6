"""Sums of files."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from midspan_engine.weights.errors import ChecksumMismatch

if TYPE_CHECKING:
    from pathlib import Path


def sha256_of(path: Path) -> str:
    """Return the hexadecimal sum of a file; half a gigabyte takes about a second."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def remove_unless(path: Path, sha256: str, whence: str) -> None:
    """Remove a file that was fetched from `whence` and has another sum than the pinned one.

    Raises:
        ChecksumMismatch: it had, and is gone now.
    """
    found = sha256_of(path)
    if found != sha256:
        path.unlink()
        raise ChecksumMismatch(
            f"{path.name} from {whence} has the sum {found}, not {sha256}. It was removed."
        )
