"""What clients reach: it checks who asks, finds the session, and passes on to its replica."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import msgspec
from ray.exceptions import RayError, RayTaskError
from ray.serve.exceptions import BackPressureError, RayServeException
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Mount

from midspan_engine.http.errors import RETRY_AFTER_S, ApiError
from midspan_engine.http.exchange import Gone, read_body
from midspan_engine.http.guard import Access, is_loopback, read_keys
from midspan_engine.scale.affinity import session_of
from midspan_engine.scale.replica import Asked

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from midspan_engine.scale.settings import ScaleSettings

    Ask = Callable[[str, Asked], "Pieces"]

SESSION_HEADER = "x-session-id"
_PASSED_ON = (
    "type", "asgi", "http_version", "method", "scheme", "path", "raw_path", "root_path",
    "query_string", "headers", "client", "server",
)  # fmt: skip
_GRACE_S = 10.0
_EVENTS = b"text/event-stream"


class Pieces(Protocol):
    """An answer on its way; Ray's `DeploymentResponseGenerator`."""

    def __aiter__(self) -> AsyncIterator[list[Message]]: ...

    def cancel(self) -> None:
        """Tell the replica that nobody wants the rest."""


class _Who(msgspec.Struct):
    user: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Front:
    """An ASGI application that has its answers from replicas.

    Attributes:
        ask: Sends a request of a session to its replica.
        keys: API keys; without one only this machine is served.
        most_body: Bytes of one request.
        patience_s: For an answer, what it waits for a replica included.
    """

    ask: Ask
    keys: tuple[str, ...]
    most_body: int
    patience_s: float

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        request = Request(scope, receive)
        try:
            self._check(request)
            body = b""
            if request.method in {"POST", "PUT", "PATCH"}:
                body = bytes(await read_body(request, msgspec.Raw, self.most_body))
            kept = {name: scope[name] for name in _PASSED_ON if name in scope}
            asked = Asked(scope=kept, body=body)
            await self._pass_on(asked, _session(request, body), Answer(send))
        except ApiError as error:
            await error.response()(scope, receive, send)
        except Gone:
            pass

    def _check(self, request: Request) -> None:
        host = request.client.host if request.client else ""
        if not self.keys and not is_loopback(host):
            raise ApiError(403, "without API keys only the machine itself is served: api_key_file")
        Access(self.keys, loopback=not self.keys).check(request.scope["path"], request.headers)

    async def _pass_on(self, asked: Asked, session: str, answer: Answer) -> None:
        pieces = self.ask(session, asked)
        try:
            async with asyncio.timeout(self.patience_s + _GRACE_S):
                async for messages in pieces:
                    await answer.send(messages)
        except TimeoutError:
            await answer.fail(ApiError(504, "the answer took too long", code="timeout"))
        except BackPressureError:
            await answer.fail(_later(429, "too many requests wait", "queue_full"))
        except RayTaskError:  # raised by the replica's own code, which has logged it
            await answer.fail(ApiError(500, "the server failed; its log says more"))
        except (RayError, RayServeException):
            lost = "the engine that was answering has gone; another one will take over"
            await answer.fail(_later(503, lost, "engine_lost"))
        finally:
            pieces.cancel()


class Answer:
    """What a client has been sent of its answer."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._begun = False
        self._is_events = False

    async def send(self, messages: list[Message]) -> None:
        """Pass on what a replica said."""
        for message in messages:
            if message["type"] == "http.response.start":
                self._begun = True
                kind = dict(message["headers"]).get(b"content-type", b"")
                self._is_events = kind.startswith(_EVENTS)
            await self._send(message)

    async def fail(self, error: ApiError) -> None:
        """Tell the client, as far as that is possible.

        Raises:
            ApiError: nothing has been sent, so `error` can be the answer.
        """
        if not self._begun:
            raise error
        body = b"data: " + error.body() + b"\n\n" if self._is_events else b""
        await self._send({"type": "http.response.body", "body": body, "more_body": False})


def front_app(ask: Ask, settings: ScaleSettings) -> ASGIApp:
    """The application for Ray's HTTP proxy.

    Raises:
        KeyFileUnusable: see `read_keys`.
    """
    front = Front(
        ask=ask,
        keys=read_keys(settings.key_file) if settings.key_file else (),
        most_body=settings.limits.body_bytes,
        patience_s=settings.timeout_s,
    )
    return Starlette(routes=[Mount("", app=front)])  # it also speaks ASGI's lifespan


def _session(request: Request, body: bytes) -> str:
    key = request.headers.get("authorization", "") + request.headers.get("x-api-key", "")
    return session_of(
        key=hashlib.sha256(key.encode()).hexdigest() if key else "",
        named=request.headers.get(SESSION_HEADER, ""),
        user=_user(body),
        address=request.client.host if request.client else "",
    )


def _user(body: bytes) -> str:
    """The `user` of a body; what is wrong with it is the replica's to say."""
    try:
        return msgspec.json.decode(body, type=_Who).user or "" if body else ""
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""


def _later(status: int, message: str, code: str) -> ApiError:
    return ApiError(status, message, code=code, headers={"Retry-After": str(RETRY_AFTER_S)})
