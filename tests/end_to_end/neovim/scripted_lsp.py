"""A Language Server that answers what the test told it, over standard streams.

The test speaks to it through the editor's own client: the notification `test/answer`
(`{method, result}`) sets what a request gets, `test/hold` (`{method}`) keeps requests unanswered
until `test/release`, `test/push` (`{method, params}`) sends a notification, and the request
`test/log` returns all that came from the client: `[{method, params}]`.
"""

from __future__ import annotations

import json
import sys
from typing import Any

_CAPABILITIES = {
    "positionEncoding": "utf-16",
    "textDocumentSync": 2,
    "inlineCompletionProvider": {},
    "executeCommandProvider": {
        "commands": [
            "midspan.accept",
            "midspan.acceptPartial",
            "midspan.dismiss",
            "midspan.shown",
        ]
    },
    "experimental": {"midspan": {"nextEdit": True}},
}


class _Server:
    def __init__(self) -> None:
        self._answers: dict[str, Any] = {}
        self._held: dict[str, list[Any]] = {}
        self._log: list[dict[str, Any]] = []

    def handle(self, message: dict[str, Any]) -> None:
        method: str | None = message.get("method")
        params: Any = message.get("params")
        match method:
            case None:
                return
            case "initialize":
                self._reply(message["id"], {"capabilities": _CAPABILITIES})
            case "test/answer":
                self._answers[params["method"]] = params["result"]
            case "test/hold":
                self._held[params["method"]] = []
            case "test/release":
                for number in self._held.pop(params["method"], []):
                    self._reply(number, self._answers.get(params["method"]))
            case "test/push":
                _send({"method": params["method"], "params": params["params"]})
            case "test/log":
                self._reply(message["id"], self._log)
            case "exit":
                sys.exit(0)
            case _:
                self._note(method, params, message.get("id"))

    def _note(self, method: str, params: Any, number: Any) -> None:
        self._log.append({"method": method, "params": params})
        if number is None:
            return
        if method in self._held:
            self._held[method].append(number)
        else:
            self._reply(number, self._answers.get(method))

    @staticmethod
    def _reply(number: Any, result: Any) -> None:
        _send({"id": number, "result": result})


def _send(message: dict[str, Any]) -> None:
    body = json.dumps({"jsonrpc": "2.0", **message}).encode()
    sys.stdout.buffer.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
    sys.stdout.buffer.flush()


def _main() -> None:
    server = _Server()
    while True:
        length = 0
        while (header := sys.stdin.buffer.readline().strip()) != b"":
            name, _, value = header.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        if length == 0:
            return
        server.handle(json.loads(sys.stdin.buffer.read(length)))


if __name__ == "__main__":
    _main()
