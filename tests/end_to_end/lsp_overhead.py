"""What the Language Server process adds to a request: a scripted engine answers at once.

Types at human speed into a file of the chosen size, asks after each keystroke, and prints one JSON
line: time from the keystroke to the suggestion, the processor time in it, time of a request served
from the cache, memory.

    python tests/end_to_end/lsp_overhead.py --lines 5000 --keystrokes 400
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO, Any

_FUNCTION = '''\
def function_{0}(first: int, second: int) -> int:
    """Return number {0} of the sums."""
    total = first * {0} + second
    for step in range(total):
        if step % 7 == {0} % 7:
            total += step
    return total


class Holder{0}:
    value = {0}
'''
# An editor indents a new line in one change.
_TYPED = [
    *("    ", *"result = total + first * second  # and so on"),
    *("\n    ", *"other = result - first", "\n"),
]


class Client:
    """The least of a client: it must not be what is measured."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "midspan_server", "lsp"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self._input: IO[bytes] = self.process.stdin
        self._output: IO[bytes] = self.process.stdout
        self._id = 0

    def notify(self, method: str, params: object) -> None:
        self._send({"jsonrpc": "2.0", "method": method, "params": params})

    def request(self, method: str, params: object) -> Any:
        self._id += 1
        self._send({"jsonrpc": "2.0", "id": self._id, "method": method, "params": params})
        while (message := self._receive()).get("id") != self._id or "method" in message:
            pass
        assert "error" not in message, message
        return message["result"]

    def _send(self, message: object) -> None:
        body = json.dumps(message).encode()
        self._input.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self._input.flush()

    def _receive(self) -> dict[str, Any]:
        length = 0
        while (line := self._output.readline()).strip():
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        message: dict[str, Any] = json.loads(self._output.read(length))
        return message


def source(lines: int) -> str:
    """Return a Python file of about `lines` lines with a hole in its middle."""
    count = max(2, lines // (_FUNCTION.count("\n") + 1))
    parts = [_FUNCTION.format(number) for number in range(count)]
    return "\n".join(parts)


def resident_megabytes(pid: int) -> float:
    """Return the resident memory of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def processor_ms(pid: int) -> float:
    """Return the processor time that a process has used; a busy machine does not change it."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e6


def percentile(values: list[float], share: float) -> float:
    """Return the value that `share` of `values` do not pass."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def measure(lines: int, keystrokes: int, gap_ms: float) -> dict[str, float]:
    """Type into a file and return the figures."""
    with tempfile.TemporaryDirectory(prefix="ms-") as folder:
        environment = {
            **os.environ,
            "MIDSPAN_SOCKET": f"{folder}/engine.sock",
            "MIDSPAN_STATE": folder,
        }
        engine_script = Path(__file__).with_name("scripted_engine.py")
        engine = subprocess.Popen(
            [sys.executable, str(engine_script), "zz_not_what_is_typed()"],
            env=environment,
            stderr=subprocess.DEVNULL,
        )
        client = Client(environment)
        try:
            return _type(client, lines, keystrokes, gap_ms)
        finally:
            client.process.kill()
            engine.kill()
            client.process.wait()
            engine.wait()


def _type(client: Client, lines: int, keystrokes: int, gap_ms: float) -> dict[str, float]:
    uri = "file:///project/large.py"
    text = source(lines).replace("    return total", "\n    return total")
    capabilities: dict[str, object] = {"textDocument": {"inlineCompletion": {}}}
    client.request("initialize", {"processId": None, "rootUri": None, "capabilities": capabilities})
    client.notify("initialized", {})
    item = {"uri": uri, "languageId": "python", "version": 1, "text": text}
    client.notify("textDocument/didOpen", {"textDocument": item})
    line = next(
        number
        for number, content in enumerate(text.split("\n"))
        if number > lines // 2 and not content and "total" in text.split("\n")[number + 1]
    )
    character, version = 0, 1
    asked: list[float] = []
    cached: list[float] = []
    processor: list[float] = []
    pid = client.process.pid
    shown = 0
    for number in range(keystrokes):
        typed = _TYPED[number % len(_TYPED)]
        version += 1
        here = {"line": line, "character": character}
        used, began = processor_ms(pid), time.perf_counter()
        client.notify(
            "textDocument/didChange",
            {
                "textDocument": {"uri": uri, "version": version},
                "contentChanges": [{"range": {"start": here, "end": here}, "text": typed}],
            },
        )
        if typed.startswith("\n"):
            line, character = line + 1, len(typed) - 1
        else:
            character += len(typed)
        shown += len(_ask(client, uri, line, character))
        asked.append(1000 * (time.perf_counter() - began))
        processor.append(processor_ms(pid) - used)
        began = time.perf_counter()
        _ask(client, uri, line, character)
        cached.append(1000 * (time.perf_counter() - began))
        time.sleep(gap_ms / 1000)
    return {
        "lines": lines,
        "keystrokes": keystrokes,
        "shown": shown,
        "engine_p50_ms": round(statistics.median(asked), 2),
        "engine_p90_ms": round(percentile(asked, 0.9), 2),
        "engine_p99_ms": round(percentile(asked, 0.99), 2),
        "engine_max_ms": round(max(asked), 2),
        "processor_p50_ms": round(statistics.median(processor), 2),
        "processor_p90_ms": round(percentile(processor, 0.9), 2),
        "processor_p99_ms": round(percentile(processor, 0.99), 2),
        "cache_p50_ms": round(statistics.median(cached), 2),
        "cache_p99_ms": round(percentile(cached, 0.99), 2),
        "resident_mb": round(resident_megabytes(pid), 1),
    }


def _ask(client: Client, uri: str, line: int, character: int) -> list[object]:
    params = {
        "textDocument": {"uri": uri},
        "position": {"line": line, "character": character},
        "context": {"triggerKind": 2},
    }
    items: list[object] = client.request("textDocument/inlineCompletion", params)["items"]
    return items


def main() -> None:
    """Measure what the flags ask for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=5000)
    parser.add_argument("--keystrokes", type=int, default=400)
    parser.add_argument("--gap-ms", type=float, default=60.0)
    args = parser.parse_args()
    print(json.dumps(measure(args.lines, args.keystrokes, args.gap_ms)))  # noqa: T201


if __name__ == "__main__":
    main()
