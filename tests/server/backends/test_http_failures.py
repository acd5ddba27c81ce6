from __future__ import annotations

import asyncio
import logging
import socket
import time
from typing import TYPE_CHECKING, Any

import pytest

from midspan_engine.protocol import InfillRequest
from midspan_server.backends.failure import BackendFailure
from midspan_server.backends.http_backend import HttpBackend, endpoint
from midspan_server.backends.settings import BackendSettings

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.server.backends.scripted_server import ScriptedServer

    from midspan_engine.protocol import Choice

    Ask = Callable[..., HttpBackend]

PREFIX = "def area(width, height):\n    return wid"
SUFFIX = "\n\nprint(area(1, 2))\n"


def _request(**changes: Any) -> InfillRequest:
    fields: dict[str, Any] = {
        "id": 7,
        "session": "s",
        "document_version": 3,
        "language": "python",
        "path": "shapes/area.py",
        "prefix": PREFIX,
        "suffix": SUFFIX,
        "max_tokens": 48,
        "stream": True,
    }
    return InfillRequest(**(fields | changes))


async def _choice(backend: HttpBackend, request: InfillRequest | None = None) -> Choice:
    answer = await backend.infill(request or _request())
    assert (answer.id, answer.document_version) == (7, 3)
    [choice] = answer.choices
    return choice


async def _failure(backend: HttpBackend, request: InfillRequest | None = None) -> BackendFailure:
    with pytest.raises(BackendFailure) as caught:
        await backend.infill(request or _request())
    return caught.value


@pytest.mark.parametrize("status", [401, 403])
async def test_a_refused_key_is_told_without_a_trace_of_it(
    status: int,
    web: ScriptedServer,
    ask: Ask,
    say: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("SOME_KEY", "sk-1234567890")
    web.replies = [say.error(status, "Incorrect API key provided: sk-12***7890")]
    failure = await _failure(ask(api_key_env="SOME_KEY"))
    assert f"refused the API key, or wants one ({status})" in str(failure)
    assert failure.lasting
    assert "sk-" not in str(failure)
    assert "sk-" not in caplog.text
    assert len(web.requests) == 1


@pytest.mark.parametrize(
    ("status", "said", "lasting"),
    [
        (402, "wants to be paid (402): no", True),
        (404, "has no such path or model (404): no", True),
        (308, "sends us elsewhere (308)", True),
        (413, "did not accept the request (413): no", False),
        (501, "did not accept the request (501): no", False),
    ],
)
async def test_a_refusal_says_what_to_do_and_is_not_tried_again(
    status: int, said: str, lasting: bool, web: ScriptedServer, ask: Ask, say: Any
) -> None:
    web.replies = [say.error(status, "no", location="https://elsewhere.example/v1")]
    failure = await _failure(ask())
    assert said in str(failure)
    assert failure.lasting is lasting
    assert len(web.requests) == 1


async def test_a_server_without_suffix_brings_the_hint_at_templates(
    web: ScriptedServer, ask: Ask, say: Any
) -> None:
    web.replies = [say.error(400, "suffix is not currently supported")]
    failure = await _failure(ask())
    assert "suffix is not currently supported; midspan.backend.template" in str(failure)


async def test_errors_do_not_repeat_source_text(web: ScriptedServer, ask: Ask, say: Any) -> None:
    web.replies = [say.error(400, "cannot parse: def area(width")]
    failure = await _failure(ask())
    assert str(failure).endswith("did not accept the request (400)")


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_server_in_trouble_is_asked_again(
    status: int, web: ScriptedServer, ask: Ask, say: Any
) -> None:
    web.replies = [say.error(status, "busy"), say.openai_stream("th")]
    assert (await _choice(ask())).text == "th"
    assert len(web.requests) == 2


async def test_three_attempts_are_enough(web: ScriptedServer, ask: Ask, say: Any) -> None:
    web.replies = [say.error(500, "busy")]
    assert "failed (500): busy" in str(await _failure(ask()))
    assert len(web.requests) == 3


async def test_a_server_that_wants_to_wait_is_obeyed_within_the_time(
    web: ScriptedServer, ask: Ask, say: Any
) -> None:
    web.replies = [say.error(429, "slow down", retry_after="0.5"), say.openai_stream("th")]
    begun = time.monotonic()
    await _choice(ask())
    assert time.monotonic() - begun >= 0.5


async def test_a_server_that_wants_to_wait_longer_is_not_waited_for(
    web: ScriptedServer, ask: Ask, say: Any
) -> None:
    web.replies = [say.error(429, "slow down", retry_after="60")]
    begun = time.monotonic()
    failure = await _failure(ask())
    assert failure.retry_after_s == 60
    assert time.monotonic() - begun < 2
    assert len(web.requests) == 1


async def test_nobody_listening_is_told(ask: Ask) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{bound.getsockname()[1]}"
        assert "cannot be reached" in str(await _failure(ask(url=url)))


async def test_a_proxy_of_the_environment_is_not_asked_for_this_machine(
    web: ScriptedServer, ask: Ask, say: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    web.replies = [say.openai_stream("th")]
    assert (await _choice(ask())).text == "th"


async def test_a_server_without_tls_is_told_as_such(web: ScriptedServer, ask: Ask) -> None:
    failure = await _failure(ask(url=web.url.replace("http:", "https:")))
    assert "no secure connection" in str(failure)
    assert failure.lasting


@pytest.mark.parametrize(
    ("chunk", "said"),
    [
        (b"data: {nonsense\n\n", "no completion of the kind openai"),
        (b'data: {"choices": "th"}\n\n', "no completion of the kind openai"),
        (b"data: \xff\xfe\n\n", "no completion of the kind openai"),
        (b'data: {"error": ' + b"[" * 50_000 + b"\n\n", "no completion of the kind openai"),
        (b'data: {"other": ' + b"[" * 50_000 + b"\n\n", "no completion of the kind openai"),
        (b'data: {"error": {"message": "out of memory"}}\n\n', "over the answer: out of memory"),
        (b'error: {"code": 500, "message": "slot"}\n\n', "over the answer: slot"),
        (b"data: " + b"x" * 1_100_000, "more than a completion can be"),
    ],
)
async def test_garbage_is_named_as_such(
    chunk: bytes, said: str, web: ScriptedServer, ask: Ask, say: Any
) -> None:
    web.replies = [say.Reply(chunks=(chunk,))]
    assert said in str(await _failure(ask()))


async def test_a_web_page_is_no_completion(web: ScriptedServer, ask: Ask, say: Any) -> None:
    web.replies = [say.Reply(chunks=(b"<html>",), content_type="text/html")]
    failure = await _failure(ask())
    assert "answered with text/html" in str(failure)
    assert failure.lasting


async def test_an_endless_line_of_the_answer_is_not_waited_for(
    web: ScriptedServer, ask: Ask, say: Any
) -> None:
    web.replies = [say.openai_stream(*["x" * 1000] * 2000, pause_s=0.001)]
    choice = await _choice(ask())
    assert choice.finish == "length"
    assert len(choice.text) < 5000
    await web.until_hung_up()


async def test_an_error_about_something_else_does_not_cost_the_log_probabilities(
    web: ScriptedServer, ask: Ask, say: Any
) -> None:
    web.replies = [say.error(400, "a problem"), say.openai_stream("th")]
    backend = ask()
    await _failure(backend)
    await _choice(backend)
    assert "logprobs" in web.requests[1].body


async def test_a_server_that_does_not_say_that_it_has_finished_has_finished_all_the_same(
    web: ScriptedServer, ask: Ask, say: Any
) -> None:
    web.replies = [say.sse(say.openai_event("th"))]
    assert (await _choice(ask())).finish == "eos"


async def test_an_answer_that_breaks_off_is_a_failure() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
        writer.write(head + b"Content-Length: 100\r\n\r\ndata: {")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    backend = HttpBackend(BackendSettings(kind="openai", url=f"http://127.0.0.1:{port}"))
    assert "broke off" in str(await _failure(backend))
    await backend.close()
    server.close()


@pytest.mark.parametrize(
    ("address", "path", "full"),
    [
        ("http://h:1", "/v1/completions", "http://h:1/v1/completions"),
        ("http://h:1/", "/v1/completions", "http://h:1/v1/completions"),
        ("http://h/v1", "/v1/completions", "http://h/v1/completions"),
        ("http://h/v1/", "/infill", "http://h/v1/infill"),
        ("http://h/gate/v1/completions", "/v1/completions", "http://h/gate/v1/completions"),
        ("https://h/beta/completions", "/v1/completions", "https://h/beta/completions"),
        ("http://h/gate?v=2", "/api/generate", "http://h/gate/api/generate?v=2"),
    ],
)
def test_an_address_may_be_given_short_or_whole(address: str, path: str, full: str) -> None:
    assert endpoint(address, path) == full
