"""The official `openai` client, unchanged."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

import openai
import pytest

if TYPE_CHECKING:
    import httpx
    from tests.engine.http.conftest import TinyServer

PREFIX = "def load_module(name, path):\n    with open("
SUFFIX = ") as handle:\n        return handle.read()\n"


def test_a_completion_with_a_suffix_is_the_engines_infill(
    client: openai.OpenAI, server: TinyServer
) -> None:
    answer = client.completions.create(model="any", prompt=PREFIX, suffix=SUFFIX, max_tokens=24)
    assert answer.model == "tiny"
    assert answer.choices[0].finish_reason in {"stop", "length"}
    assert answer.usage
    assert answer.usage.prompt_tokens > 10
    assert answer.usage.completion_tokens <= 24
    twin = client.completions.create(model="any", prompt=PREFIX, suffix="", max_tokens=24)
    assert answer.choices[0].text != twin.choices[0].text
    server.wait_until(server.is_idle)


def test_a_stream_adds_up_to_the_same_text(client: openai.OpenAI) -> None:
    whole = client.completions.create(
        model="any", prompt=PREFIX, suffix=SUFFIX, max_tokens=48, seed=1, temperature=0
    )
    chunks = list(
        client.completions.create(
            model="any",
            prompt=PREFIX,
            suffix=SUFFIX,
            max_tokens=48,
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    pieces = [choice.text for chunk in chunks for choice in chunk.choices]
    assert "".join(pieces) == whole.choices[0].text
    assert len(pieces) > 2
    assert chunks[-1].usage
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens  # type: ignore[union-attr]
    reasons = [choice.finish_reason for chunk in chunks for choice in chunk.choices]
    assert reasons[-1] == whole.choices[0].finish_reason
    assert reasons[:-1] == [None] * (len(reasons) - 1)


def test_a_stop_string_ends_the_text_before_it_and_never_shows_in_a_stream(
    client: openai.OpenAI,
) -> None:
    free = client.completions.create(model="m", prompt=PREFIX, suffix=SUFFIX, max_tokens=40)
    text = free.choices[0].text
    stop = text[len(text) // 2 :][:3]
    whole = client.completions.create(
        model="m", prompt=PREFIX, suffix=SUFFIX, max_tokens=40, stop=[stop]
    )
    stream = client.completions.create(
        model="m", prompt=PREFIX, suffix=SUFFIX, max_tokens=40, stop=stop, stream=True
    )
    for parts in ([whole], list(stream)):
        assert "".join(part.choices[0].text for part in parts) == text[: text.index(stop)]
        assert parts[-1].choices[0].finish_reason == "stop"


def test_n_gives_different_alternatives_in_one_answer(client: openai.OpenAI) -> None:
    answer = client.completions.create(model="m", prompt=PREFIX, suffix=SUFFIX, max_tokens=12, n=3)
    texts = [choice.text for choice in answer.choices]
    assert len(texts) == len(set(texts)) > 1
    assert [choice.index for choice in answer.choices] == list(range(len(texts)))


def test_several_prompts_are_answered_in_order(client: openai.OpenAI) -> None:
    both = client.completions.create(model="m", prompt=[PREFIX, "x = "], max_tokens=8)
    one = client.completions.create(model="m", prompt="x = ", max_tokens=8)
    assert both.choices[1].text == one.choices[0].text
    assert [choice.index for choice in both.choices] == [0, 1]


def test_a_chat_answers_and_streams_the_same(client: openai.OpenAI) -> None:
    said = client.chat.completions.create(
        model="m", messages=[{"role": "user", "content": "Say hello."}], max_tokens=24
    )
    chunks = list(
        client.chat.completions.create(
            model="m",
            messages=[{"role": "user", "content": "Say hello."}],
            max_tokens=24,
            stream=True,
        )
    )
    assert said.choices[0].message.role == "assistant"
    pieces = [chunk.choices[0].delta.content or "" for chunk in chunks]
    assert "".join(pieces) == said.choices[0].message.content
    assert chunks[0].choices[0].delta.role == "assistant"


def test_a_chat_that_is_too_long_loses_its_oldest_turns_and_is_answered(
    client: openai.OpenAI,
) -> None:
    turns = [{"role": "user", "content": f"question {i} " * 50} for i in range(60)]
    said = client.chat.completions.create(model="m", messages=turns, max_tokens=4)  # type: ignore[arg-type]
    assert said.usage
    assert said.usage.prompt_tokens <= 1536


def test_the_models_are_listed_and_one_is_found_by_name(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["tiny"]
    assert client.models.retrieve("tiny").owned_by == "midspan"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("gpt-9")


@pytest.mark.parametrize(
    ("wrong", "param"),
    [
        ({"max_tokens": "many"}, "max_tokens"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"temperature": 3}, "temperature"),
        ({"logprobs": 9}, "logprobs"),
        ({"logprobs": 1, "stream": True}, "logprobs"),
        ({"echo": True}, "echo"),
        ({"n": 99}, "n"),
        ({"prompt": [1, 2, 3]}, "prompt"),
        ({"stop": [1]}, "stop"),
        ({"extra_body": {"midspan": {"effort": "huge"}}}, "midspan.effort"),
    ],
)
def test_what_is_wrong_is_refused_by_name(
    client: openai.OpenAI, wrong: dict[str, object], param: str
) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        client.completions.create(**{"model": "m", "prompt": "x", **wrong})  # type: ignore[call-overload]
    assert refused.value.param is not None
    assert refused.value.param.startswith(param)
    assert refused.value.type == "invalid_request_error"


def test_a_pattern_that_is_forbidden_is_kept_to_and_a_broken_one_refused(
    client: openai.OpenAI,
) -> None:
    usual = client.completions.create(model="m", prompt=PREFIX, max_tokens=24).choices[0].text
    word = usual.strip()[:2]
    kept = {"midspan": {"forbid": [re.escape(word)]}}
    answer = client.completions.create(model="m", prompt=PREFIX, max_tokens=24, extra_body=kept)
    assert all(word not in choice.text for choice in answer.choices)
    with pytest.raises(openai.BadRequestError, match="not a regular expression"):
        client.completions.create(
            model="m", prompt=PREFIX, extra_body={"midspan": {"forbid": ["("]}}
        )


def test_a_missing_field_is_named(web: httpx.Client) -> None:
    assert web.post("/v1/completions", json={}).json()["error"]["param"] == "prompt"
    wrong = {"messages": [{"content": "x"}]}
    answer = web.post("/v1/chat/completions", json=wrong).json()["error"]
    assert answer["param"] == "messages[0].role"


@pytest.mark.parametrize("top", [0, 3])
def test_log_probabilities_are_those_of_the_texts_tokens(client: openai.OpenAI, top: int) -> None:
    prompt = "def load(path):\n    return "
    choice = client.completions.create(
        model="m", prompt=prompt, max_tokens=12, logprobs=top
    ).choices[0]
    found = choice.logprobs
    assert found is not None
    assert found.tokens is not None
    assert found.token_logprobs is not None
    assert "".join(found.tokens) == choice.text
    assert len(found.token_logprobs) == len(found.tokens) > 0
    assert all(value <= 0 for value in found.token_logprobs)
    assert found.text_offset is not None
    assert found.text_offset[0] == len(prompt)
    if top:
        assert found.top_logprobs is not None
        pairs = zip(found.tokens, found.token_logprobs, strict=True)
        assert found.top_logprobs == [{text: value} for text, value in pairs]
    else:
        assert found.top_logprobs is None
    plain = client.completions.create(model="m", prompt=prompt, max_tokens=12).choices[0]
    assert plain.logprobs is None
    assert plain.text == choice.text


def test_many_stop_strings_are_taken(client: openai.OpenAI) -> None:
    stop = [f"<|mark {n}|>" for n in range(40)]
    client.completions.create(model="m", prompt="x", max_tokens=2, stop=stop)


def test_unknown_fields_are_ignored(client: openai.OpenAI) -> None:
    client.completions.create(
        model="m", prompt="x", max_tokens=2, extra_body={"best_of": 1, "frobnicate": [1]}
    )


def test_a_connection_that_is_kept_does_not_wait_for_acknowledgements(
    client: openai.OpenAI, server: TinyServer
) -> None:
    """Without TCP_NODELAY every answer but the first takes 40 ms longer."""
    server.wait_until(server.is_idle)
    times = []
    for _ in range(9):
        began = time.perf_counter()
        client.models.list()
        times.append(time.perf_counter() - began)
    assert sorted(times)[4] < 0.03


def test_a_window_that_slides_with_every_keystroke_is_found_in_the_cache(
    client: openai.OpenAI,
) -> None:
    file = "".join(f"value_{n} = compute({n})\n" for n in range(60))
    cached = {"any": [0], "same": [0]}
    seeds: dict[str, int | openai.Omit] = {"any": openai.omit, "same": 1}
    for place, (kind, seed) in enumerate(seeds.items()):
        for end in range(900 + 300 * place, 906 + 300 * place):
            window = file[end - 400 : end]
            answer = client.completions.create(
                model="m", prompt=window, suffix="\n", max_tokens=2, seed=seed
            )
            assert answer.usage
            assert answer.usage.prompt_tokens_details
            cached[kind].append(answer.usage.prompt_tokens_details.cached_tokens or 0)
    assert min(cached["any"][2:]) > 100
    assert max(cached["same"][2:]) < 100  # with a seed only what is sent is read
