"""API keys: from the environment or a file that nobody else can read, and from nowhere else."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from midspan_server.backends.failure import BackendFailure

if TYPE_CHECKING:
    from midspan_server.backends.settings import BackendSettings

_LONGEST_KEY = 4096


def read_key(chosen: BackendSettings) -> str:
    """Return the key; "" where none was configured.

    Raises:
        BackendFailure: it was configured and is not there, or others can read the file.
    """
    if chosen.api_key_env:
        key = os.environ.get(chosen.api_key_env, "").strip()
        if not key and not chosen.api_key_file:
            raise BackendFailure(
                f"the environment variable {chosen.api_key_env} (midspan.backend.apiKeyEnv) is "
                "not set where the editor runs",
                lasting=True,
            )
        if key:
            return _checked(key, chosen.api_key_env)
    return _from_file(chosen.api_key_file) if chosen.api_key_file else ""


def _from_file(name: str) -> str:
    path = Path(name).expanduser()
    try:
        with path.open("rb") as file:
            # Of the file that is open: the name may mean another one a moment later.
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise BackendFailure(
                    f"{name} (midspan.backend.apiKeyFile) is no file", lasting=True
                )
            if status.st_mode & 0o077 or status.st_uid not in {os.getuid(), 0}:
                raise BackendFailure(
                    f"others can read or change {name} (midspan.backend.apiKeyFile), so it is not "
                    "used: chmod 600",
                    lasting=True,
                )
            data = file.read(_LONGEST_KEY + 1)
    except OSError as error:
        raise BackendFailure(
            f"{name} (midspan.backend.apiKeyFile) cannot be read: {error.strerror}", lasting=True
        ) from error
    return _checked(data.decode("ascii", "replace").strip(), name)


def _checked(key: str, where: str) -> str:
    """A header cannot hold anything else; the message does not quote it."""
    if not key or len(key) > _LONGEST_KEY or not key.isascii() or not key.isprintable():
        raise BackendFailure(f"{where} does not hold an API key", lasting=True)
    return key
