"""An editor that speaks JSON-RPC to the real `midspan lsp`, and a tap on its line to the engine."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from typing import TYPE_CHECKING, Any

from midspan_engine import protocol
from midspan_engine.protocol import Cancel, InfillRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

_HEADER = b"Content-Length: "
_REQUEST_CANCELLED = -32800


class EditorClient:
    """The least of a client: requests that can be cancelled, notifications, statuses."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self.process = process
        self.state = ""
        self._input, self._output = process.stdin, process.stdout
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._number = 0
        self._reading = asyncio.ensure_future(self._read())

    @classmethod
    async def start(cls, environment: Mapping[str, str], log: Path) -> EditorClient:
        """Start the Language Server."""
        with log.open("wb") as errors:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "midspan_server", "lsp", "--stdio"),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=errors,
                env=dict(environment),
                cwd="/",
            )
        return cls(process)

    def notify(self, method: str, params: object) -> None:
        """Send a notification."""
        self._send({"method": method, "params": params})

    def request(self, method: str, params: object) -> tuple[int, asyncio.Future[Any]]:
        """Send a request; its result is None when it was cancelled."""
        self._number += 1
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting[self._number] = answer
        self._send({"id": self._number, "method": method, "params": params})
        return self._number, answer

    def cancel(self, number: int) -> None:
        """Tell that the answer is not wanted any more."""
        self.notify("$/cancelRequest", {"id": number})

    async def quit(self) -> None:
        """Shut down as an editor does."""
        _, answer = self.request("shutdown", None)
        await asyncio.wait_for(answer, 20)
        self.notify("exit", None)
        await asyncio.wait_for(self.process.wait(), 20)
        self._reading.cancel()

    def _send(self, message: dict[str, object]) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self._input.write(_HEADER + b"%d\r\n\r\n%s" % (len(body), body))

    async def _read(self) -> None:
        while header := await self._output.readuntil(b"\r\n\r\n"):
            length = int(header.split(_HEADER, 1)[1].split(b"\r\n", 1)[0])
            self._take(json.loads(await self._output.readexactly(length)))

    def _take(self, message: dict[str, Any]) -> None:
        if message.get("method") == "midspan/status":
            self.state = message["params"]["state"]
        elif "method" in message and "id" in message:
            self._send({"id": message["id"], "result": None})
        elif "id" in message and (answer := self._waiting.pop(message["id"], None)):
            error = message.get("error")
            if error and error["code"] != _REQUEST_CANCELLED:
                answer.set_exception(RuntimeError(str(error)))
            else:
                answer.set_result(message.get("result"))


class EngineTap:
    """Stands between Language Server and engine and counts what is asked; changes nothing."""

    def __init__(self, engine: Path) -> None:
        self.infills = 0
        self.cancels = 0
        self._engine = engine
        self._server: asyncio.Server | None = None
        self._lines: set[asyncio.StreamWriter] = set()

    async def listen(self, path: Path) -> None:
        """Serve at `path`."""
        self._server = await asyncio.start_unix_server(self._connected, str(path))

    def close(self) -> None:
        """Hang up."""
        assert self._server is not None
        self._server.close()
        for line in self._lines:
            line.close()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        engine_reader, engine_writer = await asyncio.open_unix_connection(str(self._engine))
        self._lines |= {writer, engine_writer}
        # The first side to hang up ends both.
        asked = asyncio.ensure_future(_pass_on(reader, engine_writer, self._count))
        answered = asyncio.ensure_future(_pass_on(engine_reader, writer, lambda _body: None))
        await asyncio.wait((asked, answered), return_when=asyncio.FIRST_COMPLETED)
        for line in (writer, engine_writer):
            line.close()
        await asyncio.gather(asked, answered)

    def _count(self, body: bytes) -> None:
        message = protocol.decode_client(body)
        self.infills += isinstance(message, InfillRequest)
        self.cancels += isinstance(message, Cancel)


async def _pass_on(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seen: Callable[[bytes], None]
) -> None:
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
        while True:
            header = await reader.readexactly(4)
            body = await reader.readexactly(protocol.frame_length(header))
            seen(body)
            writer.write(header + body)
            await writer.drain()
