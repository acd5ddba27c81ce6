"""A `midspan serve` process of the bench's own, and the plainest HTTP client."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine_process import EngineFailed, SocketClient, resident_mb

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_PATIENCE_S = 180.0
_MAIN = (
    "import argparse, sys; from midspan_engine.commands import serve as s; "
    "p = argparse.ArgumentParser(); s.add_arguments(p); sys.exit(s.run(p.parse_args()))"
)


class ServeProcess:
    """`midspan serve` on a port and a socket of its own; the user's engine is not touched."""

    def __init__(self, folder: Path, options: Sequence[str]) -> None:
        self.socket = folder / "engine.sock"
        self._log = folder / "serve.log"
        own = ["--port", "0", "--editors", "--socket", str(self.socket), "--most-requests", "32"]
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", _MAIN, *own, *options],
                env={**os.environ, "MIDSPAN_STATE": str(folder / "state")},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                cwd="/",
            )
        self.port = 0
        self._wait_until_ready()

    def connect(self) -> SocketClient:
        """A new connection of an editor."""
        return SocketClient(self.socket)

    def resident_mb(self) -> float:
        """Memory now, in 10^6 bytes."""
        return resident_mb(self.process.pid)["now"]

    def open_files(self) -> int:
        """File descriptors now: a connection that was forgotten shows here (Linux)."""
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))

    def waiting(self) -> int:
        """Requests that the server holds now."""
        return int(self._health()["waiting"])

    def metric(self, name: str) -> float:
        """The sum of a metric's samples."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics") as answer:
            text = answer.read().decode()
        found = re.findall(rf"^{name}(?:{{[^}}]*}})? (\S+)$", text, re.MULTILINE)
        return sum(map(float, found))

    def stop(self) -> None:
        """End it as a user would."""
        self.process.terminate()
        self.process.wait(30)

    def _health(self) -> dict[str, Any]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health") as answer:
                return dict(json.load(answer))
        except urllib.error.HTTPError as refused:
            with refused:
                return dict(json.load(refused))

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            found = re.search(r"listening on http://\S+:(\d+)", self._log.read_text())
            if found:
                self.port = int(found[1])
                with contextlib.suppress(urllib.error.URLError):
                    if self._health()["status"] == "ok":
                        return
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise EngineFailed(self._log.read_text(errors="replace")[-400:])
            time.sleep(0.05)


@contextlib.contextmanager
def own_server(options: Sequence[str]) -> Iterator[ServeProcess]:
    """A server that is gone at the end."""
    with tempfile.TemporaryDirectory(prefix="midspan-bench-") as folder:
        server = ServeProcess(Path(folder), options)
        try:
            yield server
        finally:
            server.stop()


@dataclass(frozen=True, slots=True)
class Answered:
    """One answer, and the milliseconds it took."""

    status: int
    body: dict[str, Any]
    ms: float


async def post(port: int, path: str, body: dict[str, Any]) -> Answered:
    """Ask on a connection of its own; hang up when cancelled."""
    data = json.dumps(body).encode()
    began = time.perf_counter()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(
            b"POST %b HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            b"Connection: close\r\nContent-Length: %d\r\n\r\n" % (path.encode(), len(data)) + data
        )
        raw = await reader.read()
    finally:
        writer.close()
    head, _, content = raw.partition(b"\r\n\r\n")
    ms = (time.perf_counter() - began) * 1e3
    return Answered(int(head.split(b" ", 2)[1]), json.loads(content), ms)
