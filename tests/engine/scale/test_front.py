"""The front, with replicas that answer, refuse or die."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from ray.exceptions import ActorDiedError
from ray.serve.exceptions import BackPressureError
from starlette.applications import Starlette
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Route

from midspan_engine.scale.front import front_app
from midspan_engine.scale.replica import Asked, serve
from midspan_engine.scale.settings import ScaleSettings

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator
    from pathlib import Path

    from starlette.requests import Request
    from starlette.types import Message

ASK: dict[str, Any] = {"json": {"prompt": "x", "user": "u"}}


class Replies:
    """What a replica sends before it dies of `error`."""

    def __init__(
        self, messages: AsyncGenerator[list[Message], None], error: Exception | None
    ) -> None:
        self._messages = messages
        self._error = error
        self.cancelled = False

    async def __aiter__(self) -> AsyncIterator[list[Message]]:
        async for messages in self._messages:
            yield messages
            if self._error:
                break
        if self._error:
            raise self._error

    def cancel(self) -> None:
        self.cancelled = True


class Replicas:
    """Notes what it is asked, and answers by an application of a few lines."""

    def __init__(self, error: Exception | None = None, *, at_once: bool = False) -> None:
        self.asked: list[tuple[str, Asked]] = []
        self.replies: list[Replies] = []
        self._error = error
        self._at_once = at_once
        self._app = Starlette(
            routes=[
                Route("/echo", self._echo, methods=["POST", "GET"]),
                Route("/events", self._events, methods=["POST"]),
            ]
        )

    def __call__(self, session: str, asked: Asked) -> Replies:
        self.asked.append((session, asked))
        messages = _nothing() if self._at_once else serve(self._app, asked)
        self.replies.append(Replies(messages, self._error))
        return self.replies[-1]

    async def _echo(self, request: Request) -> JSONResponse:
        return JSONResponse({"method": request.method, "got": (await request.body()).decode()})

    async def _events(self, _request: Request) -> StreamingResponse:
        async def events() -> AsyncIterator[bytes]:
            for number in range(3):
                yield f"data: {number}\n\n".encode()
                await asyncio.sleep(0)

        return StreamingResponse(events(), media_type="text/event-stream")


async def _nothing() -> AsyncGenerator[list[Message], None]:
    return
    yield


async def ask(
    replicas: Replicas,
    method: str = "POST",
    path: str = "/echo",
    *,
    client: str = "127.0.0.1",
    settings: ScaleSettings | None = None,
    **more: Any,
) -> httpx.Response:
    app = front_app(replicas, settings or ScaleSettings(most_body_kb=1))
    transport = httpx.ASGITransport(app, client=(client, 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as web:
        return await web.request(method, path, **more)


async def test_a_replica_gets_the_whole_request_and_its_answer_is_passed_on() -> None:
    replicas = Replicas()
    answer = await ask(replicas, **ASK)
    assert answer.status_code == 200
    assert json.loads(answer.json()["got"]) == ASK["json"]
    assert (await ask(replicas, "GET")).json() == {"method": "GET", "got": ""}


async def test_requests_of_one_user_have_one_session_and_those_of_two_users_two() -> None:
    replicas = Replicas()
    for user in ("u", "u", "v"):
        await ask(replicas, json={"prompt": user, "user": user})
    await ask(replicas, json={"user": "u"}, headers={"X-Session-Id": "file"})
    await ask(replicas, json={"user": "v"}, headers={"X-Session-Id": "file"})
    first, second, third, *named = (session for session, _ in replicas.asked)
    assert first == second != third
    assert named[0] == named[1] not in {first, third}


async def test_a_replica_that_dies_before_it_answers_is_a_503_to_try_again() -> None:
    answer = await ask(Replicas(ActorDiedError(), at_once=True), **ASK)
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"
    assert answer.json()["error"]["code"] == "engine_lost"
    assert answer.json()["error"]["type"] == "server_error"


async def test_a_replica_that_dies_within_a_stream_ends_it_with_an_error() -> None:
    answer = await ask(Replicas(ActorDiedError()), path="/events", **ASK)
    events = [line for line in answer.text.split("\n\n") if line]
    assert events[0] == "data: 0"
    assert json.loads(events[1].removeprefix("data: "))["error"]["code"] == "engine_lost"
    assert len(events) == 2


async def test_a_full_queue_is_a_429_to_try_again() -> None:
    error = BackPressureError(num_queued_requests=64, max_queued_requests=64)
    answer = await ask(Replicas(error, at_once=True), **ASK)
    assert answer.status_code == 429
    assert answer.headers["retry-after"] == "1"
    assert answer.json()["error"]["code"] == "queue_full"


async def test_what_nobody_waits_for_is_cancelled() -> None:
    replicas = Replicas()
    await ask(replicas, **ASK)
    assert replicas.replies[0].cancelled


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({"content": b"x" * 2000, "headers": {"Content-Type": "application/json"}}, 413),
        ({"content": b"{", "headers": {"Content-Type": "application/json"}}, 400),
        ({"content": b"{}", "headers": {"Content-Type": "text/plain"}}, 415),
    ],
)
async def test_a_body_that_cannot_be_meant_is_refused_here(
    more: dict[str, Any], status: int
) -> None:
    replicas = Replicas()
    answer = await ask(replicas, **more)
    assert answer.status_code == status
    assert answer.json()["error"]["message"]
    assert not replicas.asked


async def test_without_keys_only_this_machine_is_served() -> None:
    replicas = Replicas()
    assert (await ask(replicas, client="192.0.2.9", **ASK)).status_code == 403
    refused = await ask(replicas, headers={"Host": "evil.example"}, **ASK)
    assert refused.status_code == 403
    assert not replicas.asked


async def test_a_user_that_is_no_text_is_the_replicas_to_refuse() -> None:
    replicas = Replicas()
    headers = {"Content-Type": "application/json"}
    await ask(replicas, path="/events", content=b'{"user": "\xff"}', headers=headers)
    assert len(replicas.asked) == 1


async def test_a_host_that_looks_like_a_path_opens_nothing(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text("a-key-of-enough-characters\n")
    keys.chmod(0o600)
    settings = ScaleSettings(api_key_file=str(keys))
    replicas = Replicas()
    refused = await ask(replicas, settings=settings, headers={"Host": "x/health?"}, **ASK)
    assert refused.status_code == 401
    assert not replicas.asked


async def test_with_keys_any_machine_is_served_that_shows_one(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text("a-key-of-enough-characters\n")
    keys.chmod(0o600)
    settings = ScaleSettings(api_key_file=str(keys))
    replicas = Replicas()
    refused = await ask(replicas, client="192.0.2.9", settings=settings, **ASK)
    assert refused.status_code == 401
    headers = {"Authorization": "Bearer a-key-of-enough-characters"}
    served = await ask(replicas, client="192.0.2.9", settings=settings, headers=headers, **ASK)
    assert served.status_code == 200
