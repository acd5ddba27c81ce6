"""Starting the engine as a process of its own that outlives this one."""

from __future__ import annotations

import importlib.util
import logging
import os
import subprocess
import sys
import time
from typing import IO, TYPE_CHECKING

from midspan_engine.protocol import EngineUnavailable, state_directory

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_log = logging.getLogger(__name__)

_LOG_LIMIT_BYTES = 4 * 1024 * 1024
_SHOWN_OF_LOG_BYTES = 400
_RESTART_S = 2.0


class EngineLauncher:
    """Starts an engine that listens on `socket`.

    Several editors may do so at once: the engine takes a lock, and whoever comes second ends with
    code 0, which is no failure.
    """

    def __init__(
        self, socket: Path, *, command: Sequence[str] = (), idle_minutes: int | None = None
    ) -> None:
        self._socket = socket
        self._command = tuple(command)
        self._idle_minutes = idle_minutes
        self._process: subprocess.Popen[bytes] | None = None
        self._started_at = 0.0

    def start(self) -> None:
        """Start the engine, unless the one started before is alive or has only just ended.

        Raises:
            EngineUnavailable: the engine is not installed or cannot be started.
        """
        now = time.monotonic()
        if self._process is not None and (
            self._process.poll() is None or now - self._started_at < _RESTART_S
        ):
            return
        self._started_at = now
        command = self._command or self._own_command()
        environment = {**os.environ, "MIDSPAN_SOCKET": str(self._socket)}
        log = _open_log()
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log or subprocess.DEVNULL,
                env=environment,
                # `-m` looks for modules in the working folder first; the user's may hold anything.
                cwd="/",
                start_new_session=True,
            )
        except OSError as error:
            raise EngineUnavailable(f"the engine could not be started: {error}") from error
        finally:
            if log is not None:
                log.close()
        _log.info("started the engine, process %d", self._process.pid)

    def failure(self) -> str | None:
        """Return why the engine that was started has ended; None while it runs or ended well."""
        code = self._process.poll() if self._process is not None else None
        if not code:
            return None
        return f"the engine ended with code {code}: {_last_line_of_log()}"

    def _own_command(self) -> tuple[str, ...]:
        # The runtimes, OpenVINO and torch, are looked for by the engine: either will do.
        if not importlib.util.find_spec("tokenizers"):
            raise EngineUnavailable(
                "the engine's packages are not installed: run `pip install 'midspan[engine]'`"
            )
        idle = ("--idle-minutes", str(self._idle_minutes)) if self._idle_minutes else ()
        return (sys.executable, "-m", "midspan_engine", *idle)


def log_path() -> Path:
    """Return the file that takes the engine's messages."""
    return state_directory() / "engine.log"


def _open_log() -> IO[bytes] | None:
    path = log_path()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and path.stat().st_size > _LOG_LIMIT_BYTES:
            path.replace(path.with_suffix(".log.1"))
        return path.open("ab")
    except OSError as error:
        _log.warning("the engine's messages are lost: %s", error)
        return None


def _last_line_of_log() -> str:
    path = log_path()
    try:
        lines = path.read_bytes()[-_SHOWN_OF_LOG_BYTES:].decode(errors="replace").splitlines()
    except OSError:
        lines = []
    return f"{lines[-1] if lines else 'no message'} (see {path})"
