"""An HTTP server on a real port that answers what it is told to, and notes who asked and who left.

The shapes of answers are those that the documentation of each server shows.
"""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import uvicorn

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    Message = MutableMapping[str, Any]

_PATIENCE_S = 20.0


@dataclass(frozen=True, kw_only=True)
class Reply:
    """One answer; `pause_s` comes before each chunk, and `hangs` after the last."""

    chunks: tuple[bytes, ...] = ()
    status: int = 200
    content_type: str = "text/event-stream; charset=utf-8"
    headers: dict[str, str] = field(default_factory=dict)
    pause_s: float = 0.0
    hangs: bool = False


@dataclass(frozen=True, kw_only=True)
class Received:
    """One request."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    text: str


class ScriptedServer:
    """Gives its replies in turn, the last one again and again."""

    def __init__(self) -> None:
        self.forget()
        # With the protocol named asyncio sends small writes at once; else each answer takes 40 ms.
        self._socket = socket.socket(proto=socket.IPPROTO_TCP)
        self._socket.bind(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        config = uvicorn.Config(self._serve, interface="asgi3", lifespan="off", log_level="error")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run, name="scripted-server")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        self._thread.start()
        deadline = time.monotonic() + _PATIENCE_S
        while not self._server.started:
            assert time.monotonic() < deadline
            time.sleep(0.005)

    def forget(self) -> None:
        """Begin anew."""
        self.replies: list[Reply] = []
        self.requests: list[Received] = []
        self.sent = 0
        self.hung_up = threading.Event()

    def stop(self) -> None:
        self._server.should_exit = True
        self._server.force_exit = True
        self._thread.join(_PATIENCE_S)
        self._socket.close()

    async def until_hung_up(self) -> None:
        assert await asyncio.to_thread(self.hung_up.wait, _PATIENCE_S)

    async def until_asked(self, times: int = 1) -> None:
        async with asyncio.timeout(_PATIENCE_S):
            while len(self.requests) < times:  # noqa: ASYNC110  it runs in another thread
                await asyncio.sleep(0.005)

    def _run(self) -> None:
        asyncio.run(self._server.serve(sockets=[self._socket]))

    async def _serve(
        self,
        scope: MutableMapping[str, Any],
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        data, more = b"", True
        while more:
            message = await receive()
            data += message.get("body", b"")
            more = message.get("more_body", False)
        self.requests.append(
            Received(
                path=scope["path"],
                headers={name.decode(): value.decode() for name, value in scope["headers"]},
                body=json.loads(data),
                text=data.decode(),
            )
        )
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        left = asyncio.ensure_future(receive())
        try:
            await self._answer(reply, send, left)
        finally:
            left.cancel()

    async def _answer(
        self,
        reply: Reply,
        send: Callable[[Message], Awaitable[None]],
        left: asyncio.Future[Message],
    ) -> None:
        headers = {"content-type": reply.content_type} | reply.headers
        raw = [(name.encode(), value.encode()) for name, value in headers.items()]
        if reply.pause_s and await self._is_left(left, reply.pause_s):
            return
        await send({"type": "http.response.start", "status": reply.status, "headers": raw})
        for chunk in reply.chunks:
            if await self._is_left(left, reply.pause_s):
                return
            self.sent += 1
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        if not (reply.hangs and await self._is_left(left, _PATIENCE_S)):
            await send({"type": "http.response.body"})

    async def _is_left(self, left: asyncio.Future[Message], pause_s: float) -> bool:
        done, _ = await asyncio.wait({left}, timeout=pause_s)
        if done:
            self.hung_up.set()
        return bool(done)


def event(data: object) -> bytes:
    return b"data: " + json.dumps(data).encode() + b"\n\n"


DONE = b"data: [DONE]\n\n"


def sse(*events: object, **how: Any) -> Reply:
    return Reply(chunks=(*map(event, events), DONE), **how)


def openai_event(
    text: str, logprob: float | None = None, finish: str | None = None
) -> dict[str, Any]:
    """As vLLM streams it."""
    logprobs = {
        "text_offset": [0],
        "token_logprobs": [logprob],
        "tokens": [text],
        "top_logprobs": [{text: logprob}],
    }
    return {
        "id": "cmpl-1",
        "object": "text_completion",
        "created": 1784600000,
        "model": "m",
        "choices": [
            {
                "index": 0,
                "text": text,
                "logprobs": logprobs if logprob is not None else None,
                "finish_reason": finish,
                "stop_reason": None,
            }
        ],
        "usage": None,
    }


def openai_stream(*texts: str, logprob: float | None = None, **how: Any) -> Reply:
    events = [openai_event(text, logprob) for text in texts]
    return sse(*events, openai_event("", finish="stop"), **how)


def unfinished(text: str) -> Reply:
    """A stream that goes on and says nothing more."""
    return Reply(chunks=(event(openai_event(text)),), hangs=True)


def mistral_stream(*texts: str) -> Reply:
    """As Mistral streams `/v1/fim/completions`: a chat's deltas."""
    common = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "codestral-2508"}
    deltas: list[dict[str, Any]] = [
        {"index": 0, "delta": {"role": "assistant", "content": text}, "finish_reason": None}
        for text in texts
    ]
    deltas.append({"index": 0, "delta": {"content": ""}, "finish_reason": "stop"})
    return sse(*({**common, "choices": [delta]} for delta in deltas))


def llama_stream(*texts: str, logprob: float | None = None) -> Reply:
    """As llama.cpp streams `/infill`; it says no [DONE] there."""
    events: list[dict[str, Any]] = []
    for number, text in enumerate(texts, 1):
        one: dict[str, Any] = {
            "index": 0,
            "content": text,
            "tokens": [number],
            "stop": False,
            "id_slot": -1,
            "tokens_predicted": number,
            "tokens_evaluated": 12,
        }
        if logprob is not None:
            token = {"id": number, "token": text, "bytes": [], "logprob": logprob}
            one["completion_probabilities"] = [{**token, "top_logprobs": [token]}]
        events.append(one)
    events.append(
        {
            "index": 0,
            "content": "",
            "tokens": [],
            "id_slot": 0,
            "stop": True,
            "model": "m.gguf",
            "tokens_predicted": len(texts),
            "tokens_evaluated": 12,
            "generation_settings": {"n_predict": 48, "stop": ["\n"]},
            "prompt": "…",
            "truncated": False,
            "stop_type": "limit",
            "stopping_word": "",
            "timings": {"prompt_n": 12, "predicted_n": len(texts)},
        }
    )
    return Reply(chunks=tuple(map(event, events)))


def ollama_stream(*texts: str, logprob: float | None = None) -> Reply:
    common = {"model": "qwen2.5-coder:1.5b", "created_at": "2026-10-26T17:15:24.097767Z"}
    lines: list[dict[str, Any]] = []
    for text in texts:
        told: dict[str, Any] = {"logprobs": [{"token": text, "logprob": logprob, "bytes": []}]}
        more = told if logprob is not None else {}
        lines.append({**common, "response": text, "done": False, **more})
    lines.append(
        {
            **common,
            "response": "",
            "done": True,
            "done_reason": "stop",
            "context": [1, 2],
            "total_duration": 174560334,
            "prompt_eval_count": 11,
            "eval_count": 18,
        }
    )
    chunks = tuple(json.dumps(line).encode() + b"\n" for line in lines)
    return Reply(chunks=chunks, content_type="application/x-ndjson")


def error(status: int, message: str, **headers: str) -> Reply:
    """OpenAI's shape of an error."""
    detail = {"message": message, "type": "invalid_request_error", "param": None, "code": None}
    return Reply(
        status=status,
        content_type="application/json",
        chunks=(json.dumps({"error": detail}).encode(),),
        headers={name.replace("_", "-"): value for name, value in headers.items()},
    )
