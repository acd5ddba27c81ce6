"""llama.cpp's server as a peer: started from the PATH, asked over its `/infill`.

Its template puts nothing but the three markers around the text when no extra context is given, and
its prompt cache is off, so that every request is as cold as ours.
"""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from midspan_engine.decoding.span import SpanRule

if TYPE_CHECKING:
    from pathlib import Path

    from midspan_engine.protocol import InfillRequest

LLAMA = "llama.cpp"
_START_S = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LlamaAnswer:
    """Text up to where Midspan's rule ends it, and the server's own count and time."""

    text: str
    tokens: int
    decode_ms: float


class LlamaServer:
    """A `llama-server` process of our own on a free port of this machine."""

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self._process, self._port = process, port

    @classmethod
    def start(cls, gguf: Path | None) -> LlamaServer | None:
        """Start it; None, with a word on stderr, where there is no server or no model."""
        program = shutil.which("llama-server")
        if program is None or gguf is None or not gguf.is_file():
            print("llama.cpp left out: it takes llama-server on the PATH, --gguf", file=sys.stderr)
            return None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        command = [program, "-m", str(gguf), "--port", str(port), "-c", "4096", "--no-webui"]
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        server = cls(process, port)
        deadline = time.monotonic() + _START_S
        while not server._is_ready():
            if process.poll() is not None or time.monotonic() > deadline:
                server.stop()
                raise RuntimeError(f"{program} did not come up with {gguf}")
            time.sleep(0.2)
        return server

    def infill(self, request: InfillRequest) -> LlamaAnswer:
        """Greedy completion of the request's hole."""
        body = {
            "input_prefix": request.prefix,
            "input_suffix": request.suffix,
            "n_predict": request.max_tokens,
            "temperature": 0.0,
            "top_k": 1,
            "cache_prompt": False,
            "stop": ["\n"] if request.scope == "line" else [],
        }
        reply = self._ask("/infill", json.dumps(body).encode())
        ending = SpanRule.of(request).ending(reply["content"])
        return LlamaAnswer(
            text=ending.text if ending else reply["content"],
            tokens=int(reply["timings"]["predicted_n"]),
            decode_ms=float(reply["timings"]["predicted_ms"]),
        )

    def stop(self) -> None:
        """End the process."""
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _is_ready(self) -> bool:
        try:
            return bool(self._ask("/health").get("status") == "ok")
        except (urllib.error.URLError, ConnectionError, ValueError):
            return False

    def _ask(self, path: str, body: bytes | None = None) -> dict[str, Any]:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self._port}{path}",
            data=body,
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=300) as reply:  # noqa: S310
            answer: dict[str, Any] = json.load(reply)
        return answer
