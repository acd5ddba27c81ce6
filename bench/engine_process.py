"""An engine process of the bench's own, on its own socket, and a plain client for it."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from midspan_engine import protocol
from midspan_engine.protocol import EngineStatus, Failure, Hello, Infill, InfillRequest, Welcome

if TYPE_CHECKING:
    from collections.abc import Iterator

    from midspan_engine.protocol import ClientMessage, EngineMessage

M = TypeVar("M", bound="EngineMessage")
_PATIENCE_S = 180.0


class EngineFailed(RuntimeError):  # noqa: N818  named for what happened
    """The engine ended or refused; the message has the end of its log."""


class SocketClient:
    """One connection. Blocking, so that what is measured is the engine and not an event loop."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(_PATIENCE_S)
        self._socket.connect(str(path))
        self.send(Hello(client="bench"))
        self.wait_for(Welcome)

    def send(self, message: ClientMessage) -> None:
        """Write one frame."""
        self._socket.sendall(protocol.encode(message))

    def receive(self) -> EngineMessage:
        """Read one frame; blocks until there is one."""
        body = self._exactly(protocol.frame_length(self._exactly(4)))
        return protocol.decode_engine(body)

    def wait_for(self, kind: type[M]) -> M:
        """Return the next message of a kind; others are skipped.

        Raises:
            EngineFailed: the engine refused.
        """
        while not isinstance(message := self.receive(), kind):
            if isinstance(message, Failure):
                raise EngineFailed(message.message)
        return message

    def infill(self, request: InfillRequest) -> tuple[Infill, float]:
        """Ask and return the answer and the milliseconds it took."""
        began = time.perf_counter()
        self.send(request)
        answer = self.wait_for(Infill)
        return answer, (time.perf_counter() - began) * 1e3

    def close(self) -> None:
        """Hang up; the engine forgets this client's sessions."""
        self._socket.close()

    def _exactly(self, count: int) -> bytes:
        parts = bytearray()
        while len(parts) < count:
            got = self._socket.recv(count - len(parts))
            if not got:
                raise EngineFailed("the engine closed the connection")
            parts += got
        return bytes(parts)


class EngineProcess:
    """`midspan engine` in a folder of its own; the user's engine is not touched."""

    def __init__(self, folder: Path, model: str, runtime: str) -> None:
        self.socket = folder / "engine.sock"
        self.environment = {
            **os.environ,
            "MIDSPAN_SOCKET": str(self.socket),
            "MIDSPAN_STATE": str(folder / "state"),
        }
        self._log = folder / "engine.log"
        began = time.perf_counter()
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "midspan_engine", "--model", model, "--runtime", runtime],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                cwd="/",
            )
        self._wait_until_ready()
        self.start_ms = (time.perf_counter() - began) * 1e3

    def connect(self) -> SocketClient:
        """A new connection."""
        return SocketClient(self.socket)

    def resident_mb(self) -> dict[str, float]:
        """Memory now and at its highest, in 10^6 bytes."""
        return resident_mb(self.process.pid)

    def stop(self) -> None:
        """End it as a user would."""
        self.process.terminate()
        self.process.wait(30)

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + _PATIENCE_S
        while not self.socket.exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise EngineFailed(self._log.read_text(errors="replace")[-400:])
            time.sleep(0.02)
        with contextlib.closing(self.connect()) as client:
            while (status := client.wait_for(EngineStatus)).state != "ready":
                if status.state == "failed":
                    raise EngineFailed(status.message)


def resident_mb(pid: int) -> dict[str, float]:
    """Memory of a process now and at its highest, in 10^6 bytes (Linux)."""
    fields = dict(
        line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines()
    )
    now, peak = (int(fields[name].split()[0]) * 1024 / 1e6 for name in ("VmRSS", "VmHWM"))
    return {"now": round(now, 1), "peak": round(peak, 1)}


@contextlib.contextmanager
def own_engine(model: str, runtime: str) -> Iterator[EngineProcess]:
    """An engine that is gone at the end."""
    with tempfile.TemporaryDirectory(prefix="midspan-bench-") as folder:
        engine = EngineProcess(Path(folder), model, runtime)
        try:
            yield engine
        finally:
            engine.stop()
