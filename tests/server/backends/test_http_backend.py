from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from midspan_engine.protocol import InfillRequest, Snippet
from midspan_server.backends.failure import BackendFailure
from midspan_server.backends.settings import BackendSettings

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.server.backends.scripted_server import ScriptedServer

    from midspan_engine.protocol import Choice
    from midspan_server.backends.http_backend import HttpBackend

    Ask = Callable[..., HttpBackend]

PREFIX = "def area(width, height):\n    return wid"
SUFFIX = "\n\nprint(area(1, 2))\n"
MERCURY = {
    "id": "cmpl-8",
    "object": "text_completion",
    "created": 0,
    "model": "mercury-edit-2",
    "choices": [{"index": 0, "text": "th * height\n\nmore", "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 24, "reasoning_tokens": 0, "completion_tokens": 14},
    "warning": None,
}


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


async def test_openai_completions_are_asked_with_a_suffix(
    web: ScriptedServer, ask: Ask, say: Any
) -> None:
    web.replies = [say.openai_stream("th", " *", " height")]
    assert (await _choice(ask())).text == "th * height"
    [request] = web.requests
    assert request.path == "/v1/completions"
    assert request.body == {
        "model": "m",
        "prompt": PREFIX,
        "suffix": SUFFIX,
        "max_tokens": 48,
        "temperature": 0,
        "stop": ["\n"],
        "stream": True,
        "logprobs": 1,
    }


async def test_a_template_makes_one_raw_prompt(web: ScriptedServer, ask: Ask, say: Any) -> None:
    web.replies = [say.openai_stream("th")]
    await _choice(ask(template="qwen"))
    [request] = web.requests
    assert request.body["prompt"] == f"<|fim_prefix|>{PREFIX}<|fim_suffix|>{SUFFIX}<|fim_middle|>"
    assert "suffix" not in request.body
    assert request.body["stop"][:2] == ["\n", "<|endoftext|>"]


async def test_mercury_gets_what_its_fim_knows(web: ScriptedServer, ask: Ask, say: Any) -> None:
    web.replies = [say.sse(MERCURY)]
    choice = await _choice(ask("mercury", model=""))
    assert (choice.text, choice.finish, choice.confidence) == ("th * height", "line", 1.0)
    [request] = web.requests
    assert request.path == "/v1/fim/completions"
    assert set(request.body) == {"model", "prompt", "suffix", "max_tokens", "stop", "stream"}
    assert request.body["model"] == "mercury-edit-2"


async def test_codestral_streams_the_deltas_of_a_chat(
    web: ScriptedServer, ask: Ask, say: Any
) -> None:
    web.replies = [say.mistral_stream("th", " * height")]
    assert (await _choice(ask("codestral", url=f"{web.url}/v1"))).text == "th * height"
    assert web.requests[0].path == "/v1/fim/completions"
    assert web.requests[0].body["temperature"] == 0


async def test_llamacpp_gets_other_files_in_a_field(
    web: ScriptedServer, ask: Ask, say: Any
) -> None:
    web.replies = [say.llama_stream("th", " * height", logprob=-0.02)]
    choice = await _choice(ask("llamacpp"), _request(snippets=(Snippet(path="b.py", text="x"),)))
    assert (choice.text, choice.finish, choice.mean_logprob) == ("th * height", "length", -0.02)
    [request] = web.requests
    assert request.path == "/infill"
    assert request.body["input_prefix"] == PREFIX
    assert request.body["input_suffix"] == SUFFIX
    assert request.body["input_extra"] == [{"filename": "b.py", "text": "x"}]
    assert request.body["n_predict"] == 48


async def test_ollama_streams_lines_of_json(web: ScriptedServer, ask: Ask, say: Any) -> None:
    web.replies = [say.ollama_stream("th", " * height", logprob=-0.1)]
    choice = await _choice(ask("ollama"))
    assert choice.text == "th * height"
    assert choice.mean_logprob == pytest.approx(-0.1)
    [request] = web.requests
    assert request.path == "/api/generate"
    assert request.body["suffix"] == SUFFIX
    assert request.body["options"] == {"temperature": 0, "num_predict": 48, "stop": ["\n"]}


async def test_ollama_takes_a_raw_prompt_without_its_own_template(
    web: ScriptedServer, ask: Ask, say: Any
) -> None:
    web.replies = [say.ollama_stream("th")]
    await _choice(ask("ollama", template="starcoder"))
    body = web.requests[0].body
    assert body["raw"] is True
    assert "suffix" not in body
    assert body["prompt"].startswith("<fim_prefix>def area")


@pytest.mark.parametrize("size", [1, 7, 10_000])
async def test_a_stream_may_be_cut_anywhere(
    size: int, web: ScriptedServer, ask: Ask, say: Any
) -> None:
    events = [say.openai_event(text) for text in ("th ", "ü😀", " * height")]
    whole = b": ping\r\n\r\n" + b"".join(
        b"data: " + json.dumps(one, ensure_ascii=False).encode() + b"\r\n\r\n" for one in events
    )
    web.replies = [
        say.Reply(chunks=tuple(whole[at : at + size] for at in range(0, len(whole), size)))
    ]
    assert (await _choice(ask())).text == "th ü😀 * height"


async def test_a_server_that_does_not_stream_is_understood(
    web: ScriptedServer, ask: Ask, say: Any
) -> None:
    body = json.dumps(MERCURY, indent=2).encode()
    web.replies = [say.Reply(chunks=(body,), content_type="application/json")]
    assert (await _choice(ask("mercury"))).text == "th * height"


async def test_a_slow_server_is_hung_up_on_at_the_end_of_the_line(
    web: ScriptedServer, ask: Ask, say: Any
) -> None:
    texts = ["th", "\nprint", *[" more"] * 500]
    web.replies = [say.openai_stream(*texts, pause_s=0.02)]
    begun = time.monotonic()
    choice = await _choice(ask())
    assert (choice.text, choice.finish) == ("th", "line")
    assert time.monotonic() - begun < 2
    await web.until_hung_up()
    assert web.sent < 20


async def test_a_block_ends_where_the_indentation_does(
    web: ScriptedServer, ask: Ask, say: Any
) -> None:
    texts = ["\n    a = 1\n", "    \tb = 2\n", "\n  ", "c", *[" more"] * 500]
    web.replies = [say.openai_stream(*texts, pause_s=0.01)]
    request = _request(prefix="if x:", scope="block", block_indent=4, max_tokens=200)
    choice = await _choice(ask(), request)
    assert (choice.text, choice.finish) == ("\n    a = 1\n    \tb = 2", "block")
    await web.until_hung_up()
    assert "stop" not in web.requests[0].body


async def test_a_connection_is_used_again_after_a_whole_answer(
    web: ScriptedServer, ask: Ask, say: Any
) -> None:
    web.replies = [say.openai_stream("th")]
    backend = ask()
    for _ in range(3):
        await _choice(backend)
    [pool] = [one._transport._pool for one in (backend._client,)]  # type: ignore[attr-defined]
    assert len(pool.connections) == 1
    assert not web.hung_up.is_set()


async def test_cancelling_hangs_up(web: ScriptedServer, ask: Ask, say: Any) -> None:
    web.replies = [say.unfinished("th")]
    asked = asyncio.ensure_future(ask().infill(_request()))
    await web.until_asked()
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    await web.until_hung_up()


async def test_partial_text_is_told_while_it_comes(web: ScriptedServer, ask: Ask, say: Any) -> None:
    web.replies = [say.openai_stream("th", " * ", "height", pause_s=0.01)]
    partial: list[str] = []
    await ask().infill(_request(), partial.append)
    assert partial == ["th", "th *", "th * height"]
    await ask().infill(_request(stream=False), partial.append)
    assert len(partial) == 3


async def test_when_time_is_over_there_is_what_came_by_then(
    web: ScriptedServer, ask: Ask, say: Any
) -> None:
    texts = ["th", *[" more"] * 500]
    web.replies = [say.openai_stream(*texts, pause_s=0.05)]
    choice = await _choice(ask(timeout_ms=400))
    assert choice.text.startswith("th")
    assert choice.finish == "budget"
    await web.until_hung_up()


async def test_a_server_that_says_nothing_in_time_has_failed(
    web: ScriptedServer, ask: Ask, say: Any
) -> None:
    web.replies = [say.openai_stream(pause_s=5)]
    failure = await _failure(ask(timeout_ms=200))
    assert "did not answer within 200 ms" in str(failure)
    assert not failure.lasting


@pytest.mark.parametrize(
    ("logprob", "expected"), [(-0.01, 0.967), (-0.31, 0.464), (-2.0, 0.0), (None, 1.0)]
)
async def test_confidence_is_that_of_the_mean_log_probability_where_there_is_one(
    logprob: float | None, expected: float, web: ScriptedServer, ask: Ask, say: Any
) -> None:
    web.replies = [say.openai_stream("th", " *", logprob=logprob)]
    assert (await _choice(ask())).confidence == pytest.approx(expected, abs=0.001)


async def test_what_lies_behind_the_end_does_not_count_for_confidence(
    web: ScriptedServer, ask: Ask, say: Any
) -> None:
    web.replies = [
        say.sse(say.openai_event("th", -0.1), say.openai_event("\n", -9), say.openai_event("x", -9))
    ]
    assert (await _choice(ask())).mean_logprob == pytest.approx(-0.1)


async def test_a_confidence_of_the_servers_own_counts(
    web: ScriptedServer, ask: Ask, say: Any
) -> None:
    last = say.openai_event("", finish="stop")
    last["choices"][0]["midspan"] = {"confidence": 0.25, "finish": "line", "mean_logprob": -1}
    web.replies = [say.sse(say.openai_event("th"), last)]
    assert (await _choice(ask())).confidence == 0.25


async def test_a_server_without_log_probabilities_is_not_asked_for_them_again(
    web: ScriptedServer, ask: Ask, say: Any
) -> None:
    web.replies = [say.error(400, "logprobs are not available"), say.openai_stream("th")]
    backend = ask()
    for _ in range(2):
        assert (await _choice(backend)).text == "th"
    assert ["logprobs" in one.body for one in web.requests] == [True, False, False]


async def test_snippets_go_to_this_machine_and_elsewhere_only_if_wanted(
    web: ScriptedServer, ask: Ask, say: Any
) -> None:
    web.replies = [say.openai_stream("th")]
    request = _request(snippets=(Snippet(path="b.py", text="other = 1\n"),))
    await _choice(ask(), request)
    await _choice(ask(send_snippets=False), request)
    first, second = (one.body["prompt"] for one in web.requests)
    assert first == f"# b.py\nother = 1\n\n{PREFIX}"
    assert second == PREFIX
    assert "shapes" not in web.requests[1].text
    assert not BackendSettings(kind="mercury").sends_snippets
    assert BackendSettings(kind="mercury", send_snippets=True).sends_snippets
    assert BackendSettings(kind="openai", url="http://[::1]:1/v1").sends_snippets
    assert not BackendSettings(kind="openai", url="http://127.0.0.1.evil.example").sends_snippets


async def test_half_a_surrogate_pair_does_not_stop_a_request(
    web: ScriptedServer, ask: Ask, say: Any
) -> None:
    web.replies = [say.openai_stream("th")]
    await _choice(ask(), _request(prefix="a\ud83db\N{GRINNING FACE}"))
    assert web.requests[0].body["prompt"] == "a\N{REPLACEMENT CHARACTER}b\N{GRINNING FACE}"


async def test_the_key_travels_in_a_header_and_headers_of_the_users_too(
    web: ScriptedServer, ask: Ask, say: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_KEY", "sk-1234567890")
    web.replies = [say.openai_stream("th")]
    await _choice(ask(api_key_env="SOME_KEY", headers={"X-Team": "blue"}))
    await _choice(ask())
    first, second = web.requests
    assert first.headers["authorization"] == "Bearer sk-1234567890"
    assert first.headers["x-team"] == "blue"
    assert "authorization" not in second.headers
