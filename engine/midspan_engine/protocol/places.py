"""Where the engine's socket and its files are."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import platformdirs

_LONGEST_RUNTIME_FOLDER = 80


def state_directory() -> Path:
    """Folder for logs, counters and the lock; `MIDSPAN_STATE` overrides the platform's choice."""
    chosen = os.environ.get("MIDSPAN_STATE")
    return Path(chosen) if chosen else Path(platformdirs.user_state_dir("midspan", appauthor=False))


def socket_path() -> Path:
    """Where the user's engine listens; `MIDSPAN_SOCKET` overrides.

    Unix socket paths are limited to about 100 bytes, so a long runtime folder gives way to a short
    one under the temporary folder that only this user can enter.
    """
    chosen = os.environ.get("MIDSPAN_SOCKET")
    if chosen:
        return Path(chosen)
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime and Path(runtime).is_dir() and len(os.fsencode(runtime)) <= _LONGEST_RUNTIME_FOLDER:
        return Path(runtime) / "midspan" / "engine.sock"
    return Path(tempfile.gettempdir()) / f"midspan-{os.getuid()}" / "engine.sock"
