"""The server with editors that draw no ghost text, by the capabilities that they send.

`recorded_clients/` holds what real editors sent, or what their source says they send; each file
says which. The messages go over the wire as they are, without a library that would tidy them.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.end_to_end.scripted_engine import ScriptedEngine

pytestmark = pytest.mark.slow

CLIENTS = sorted(Path(__file__).with_name("recorded_clients").glob("*.json"))
URI = "file:///project/area.py"
LINE = "size = '😀ö' + wid"
TEXT = f"def area(width, height):\n    {LINE}\n"
_PATIENCE_S = 30.0
_UNITS = {"utf-8": "utf-8", "utf-16": "utf-16-le", "utf-32": "utf-32-le"}
_WIDTH = {"utf-8": 1, "utf-16": 2, "utf-32": 4}


class RawClient:
    """Sends and receives messages as JSON."""

    def __init__(self) -> None:
        self.from_server: list[str] = []
        self._number = 0

    async def start(self, environment: dict[str, str]) -> None:
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "midspan_server", "lsp"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=environment,
        )

    async def quit(self) -> int:
        await self.request("shutdown", None)
        self.notify("exit", None)
        return await asyncio.wait_for(self._process.wait(), _PATIENCE_S)

    def notify(self, method: str, params: Any) -> None:
        self._send({"method": method, "params": params})

    async def request(self, method: str, params: Any) -> Any:
        self._number += 1
        number = self._number
        self._send({"id": number, "method": method, "params": params})
        while True:
            message = await asyncio.wait_for(self._receive(), _PATIENCE_S)
            if message.get("id") == number and "method" not in message:
                assert "error" not in message, message
                return message["result"]
            self.from_server.append(message["method"])
            if "id" in message:
                empty = [None] if message["method"] == "workspace/configuration" else None
                self._send({"id": message["id"], "result": empty})

    def _send(self, message: dict[str, Any]) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        assert self._process.stdin is not None
        self._process.stdin.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))

    async def _receive(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        header = await self._process.stdout.readuntil(b"\r\n\r\n")
        length = int(header.partition(b"Content-Length:")[2].split(b"\r\n")[0])
        message: dict[str, Any] = json.loads(await self._process.stdout.readexactly(length))
        return message


@pytest_asyncio.fixture
async def client(environment: dict[str, str]) -> AsyncIterator[RawClient]:
    raw = RawClient()
    await raw.start(environment)
    yield raw
    assert await raw.quit() == 0


async def _initialize(client: RawClient, capabilities: dict[str, Any], info: Any) -> dict[str, Any]:
    params = {
        "processId": None,
        "rootUri": "file:///project",
        "capabilities": capabilities,
        "initializationOptions": {"engine": {"autostart": False}},
    }
    result: dict[str, Any] = await client.request(
        "initialize", params | ({"clientInfo": info} if info else {})
    )
    client.notify("initialized", {})
    item = {"uri": URI, "languageId": "python", "version": 1, "text": TEXT}
    client.notify("textDocument/didOpen", {"textDocument": item})
    return result["capabilities"]  # type: ignore[no-any-return]


def _position(encoding: str) -> dict[str, int]:
    line = f"    {LINE}".encode(_UNITS[encoding])
    return {"line": 1, "character": len(line) // _WIDTH[encoding]}


def _applied(edit: dict[str, Any], encoding: str) -> str:
    line = f"    {LINE}".encode(_UNITS[encoding])
    start, end = (
        edit["range"][where]["character"] * _WIDTH[encoding] for where in ("start", "end")
    )
    assert edit["range"]["start"]["line"] == edit["range"]["end"]["line"] == 1
    new: bytes = edit["newText"].encode(_UNITS[encoding])
    return (line[:start] + new + line[end:]).decode(_UNITS[encoding])


@pytest.mark.parametrize("recorded", CLIENTS, ids=[path.stem for path in CLIENTS])
async def test_an_editor_without_ghost_text_gets_an_entry_that_it_can_insert(
    client: RawClient, engine: ScriptedEngine, recorded: Path, state: Path
) -> None:
    engine.reply = lambda _: "th * height"
    sent = _sent(recorded)
    capabilities = sent["capabilities"]
    served = await _initialize(client, capabilities, sent["clientInfo"])
    offered = capabilities.get("general", {}).get("positionEncodings", ["utf-16"])
    encoding = served.get("positionEncoding", "utf-16")
    assert encoding in offered
    assert served["completionProvider"]["triggerCharacters"]
    where = {"textDocument": {"uri": URI}, "position": _position(encoding)}
    answer = await client.request("textDocument/completion", where)
    [entry] = answer["items"]
    assert _applied(entry["textEdit"], encoding) == f"    {LINE}th * height"
    assert entry["filterText"].startswith("wid")
    assert entry["insertTextFormat"] == 1
    assert entry["command"]["command"] in served["executeCommandProvider"]["commands"]
    command = {name: entry["command"][name] for name in ("command", "arguments")}
    await client.request("workspace/executeCommand", command)
    assert '"outcome":"accepted"' in _counted(state)
    _asked_only_what_it_may(client, capabilities)


def _sent(recorded: Path) -> dict[str, Any]:
    sent: dict[str, Any] = json.loads(recorded.read_text(encoding="utf-8"))
    return sent


def _counted(state: Path) -> str:
    return (state / "state" / "counters.jsonl").read_text(encoding="utf-8")


def _asked_only_what_it_may(client: RawClient, capabilities: dict[str, Any]) -> None:
    allowed = {"window/logMessage", "window/showMessage"}
    if capabilities.get("workspace", {}).get("configuration"):
        allowed.add("workspace/configuration")
    if capabilities.get("window", {}).get("workDoneProgress"):
        allowed |= {"window/workDoneProgress/create", "$/progress"}
    assert set(client.from_server) <= allowed


async def test_an_editor_with_ghost_text_gets_no_entry_beside_it(
    client: RawClient, engine: ScriptedEngine
) -> None:
    """As LSP4IJ's and lsp-mode's latest; without dynamic registration, in utf-16."""
    engine.reply = lambda _: "th * height"
    capabilities: dict[str, Any] = {"textDocument": {"inlineCompletion": {}, "completion": {}}}
    served = await _initialize(client, capabilities, None)
    assert "completionProvider" not in served
    assert "inlineCompletionProvider" in served
    where = {"textDocument": {"uri": URI}, "position": _position("utf-16")}
    answer = await client.request(
        "textDocument/inlineCompletion", where | {"context": {"triggerKind": 2}}
    )
    [item] = answer["items"]
    assert item["insertText"] == "th * height"
    assert item["range"]["start"] == item["range"]["end"] == _position("utf-16")
    _asked_only_what_it_may(client, capabilities)
