"""`/infill` as llama.vim and llama.vscode send it and read its answer."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, cast

import pytest
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.testclient import TestClient

from midspan_engine.http.llama import LlamaInfills
from midspan_engine.http.service import Limits
from midspan_engine.protocol import Choice, Infill, InfillRequest, Partial

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    import httpx

    from midspan_engine.http.service import Service

VIM: dict[str, Any] = {
    "id_slot": 0,
    "input_prefix": "def load_module(name, path):\n",
    "input_suffix": "\n    return data\n",
    "input_extra": [
        {"text": "def read(path):\n    return open(path)\n", "time": [1, 2], "filename": "io.py"}
    ],
    "prompt": "    data = ",
    "n_predict": 32,
    "stop": [],
    "n_indent": 4,
    "top_k": 40,
    "top_p": 0.90,
    "samplers": ["top_k", "top_p", "infill"],
    "stream": False,
    "cache_prompt": True,
    "t_max_prompt_ms": 500,
    "t_max_predict_ms": 1000,
    "response_fields": [
        "content",
        "timings/prompt_n",
        "timings/prompt_ms",
        "timings/prompt_per_token_ms",
        "timings/prompt_per_second",
        "timings/predicted_n",
        "timings/predicted_ms",
        "timings/predicted_per_token_ms",
        "timings/predicted_per_second",
        "truncated",
        "tokens_cached",
    ],
}


def test_llama_vim_gets_the_fields_that_it_names(web: httpx.Client) -> None:
    answer = web.post("/infill", json=VIM)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert sorted(body) == sorted(VIM["response_fields"])
    assert isinstance(body["content"], str)
    assert body["timings/predicted_n"] > 0
    assert body["timings/predicted_ms"] > 0


def test_llama_vim_warms_the_cache_and_the_next_request_finds_it(web: httpx.Client) -> None:
    extra = [{"text": f"warm_{n} = {n}\n" * 12, "filename": "w.py"} for n in range(3)]
    warm = {
        "input_prefix": "",
        "input_suffix": "",
        "prompt": "",
        "input_extra": extra,
        "n_predict": 0,
        "samplers": [],
        "t_max_prompt_ms": 1,
        "t_max_predict_ms": 1,
        "response_fields": [""],
    }
    assert web.post("/infill", json=warm).json() == {}
    asked = web.post(
        "/infill",
        json={"input_prefix": "x = 1\n", "prompt": "y = ", "input_extra": extra, "n_predict": 4},
    ).json()
    assert asked["midspan"]["cached_tokens"] > 0.8 * asked["midspan"]["prompt_tokens"]
    assert asked["timings"]["prompt_n"] < 0.2 * asked["midspan"]["prompt_tokens"] + 1


def test_llama_vscode_gets_the_whole_answer(web: httpx.Client) -> None:
    body = {
        "input_prefix": "a = 1\n",
        "input_suffix": "\n",
        "input_extra": [],
        "prompt": "b = ",
        "n_predict": 16,
        "top_k": 40,
        "top_p": 0.99,
        "stream": False,
        "samplers": ["top_k", "top_p", "infill"],
        "cache_prompt": True,
        "t_max_prompt_ms": 500,
        "t_max_predict_ms": 2500,
    }
    answer = web.post("/infill", json=body).json()
    assert set(answer["timings"]) >= {"prompt_n", "prompt_ms", "predicted_n", "predicted_ms"}
    assert answer["tokens_cached"] > 0
    assert answer["stop"] is True
    empty = web.post(
        "/infill", json={**body, "input_prefix": "", "prompt": "", "n_predict": 0, "samplers": []}
    ).json()
    assert empty["content"] == ""


def test_a_stream_adds_up_and_ends_with_stop(web: httpx.Client) -> None:
    body = {**VIM, "t_max_predict_ms": 0, "n_predict": 48}
    del body["response_fields"]
    whole = web.post("/infill", json=body).json()["content"]
    text = web.post("/infill", json={**body, "stream": True}).text
    events = [json.loads(part.removeprefix("data: ")) for part in text.strip().split("\n\n")]
    assert "".join(event["content"] for event in events) == whole
    assert [event["stop"] for event in events] == [False] * (len(events) - 1) + [True]


def test_time_ends_the_text_behind_a_whole_line_only(web: httpx.Client) -> None:
    body = {"input_prefix": "x = 1\n" * 4, "n_predict": 256, "input_suffix": ""}
    free = web.post("/infill", json=body).json()["content"]
    cut = web.post("/infill", json={**body, "t_max_predict_ms": 1}).json()["content"]
    assert free.startswith(cut)
    assert cut == free or free[len(cut)] == "\n"
    assert cut.strip() or not free.strip()


class _Slow:
    """Says what a small network would take a second for."""

    def __init__(self, *texts: str) -> None:
        self.texts = texts
        self.limits = Limits()
        self.model, self.effort = "m", "verified"

    def engine(self) -> None:
        """Nothing is loaded."""

    def tokens(self, wanted: int, default: int) -> int:
        return default if wanted < 0 else wanted

    def wish(self, prefix: str, suffix: str, **_more: object) -> InfillRequest:
        return InfillRequest(id=0, session="", prefix=prefix, suffix=suffix)

    async def ask_infill(
        self, _wish: InfillRequest, _caller: str, *, as_sent: bool
    ) -> AsyncGenerator[Partial | Infill, None]:
        assert not as_sent
        for text in self.texts[:-1]:
            await asyncio.sleep(0.005)
            yield Partial(id=0, text=text)
        choice = Choice(text=self.texts[-1], finish="eos", confidence=0.5, mean_logprob=-0.1)
        yield Infill(id=0, document_version=0, choices=(choice,))


@pytest.mark.parametrize(
    ("texts", "content"),
    [
        (
            ("\n", "\n    return x", "\n    return x\n    y", "\n    return x\n    y = 1"),
            "\n    return x",
        ),
        (("\n", "\n    return x"), "\n    return x"),
    ],
)
def test_time_never_leaves_a_line_break_alone(texts: tuple[str, ...], content: str) -> None:
    app = Starlette(
        routes=[
            Route("/infill", LlamaInfills(cast("Service", _Slow(*texts))).infill, methods=["POST"])
        ]
    )
    with TestClient(app) as client:
        answer = client.post("/infill", json={"input_prefix": "def f(x):", "t_max_predict_ms": 1})
    assert answer.json()["content"] == content


def test_what_llama_cpp_has_a_default_for_may_be_null(web: httpx.Client) -> None:
    body = {
        "input_prefix": "x = ",
        "input_suffix": None,
        "input_extra": [{"text": "y = 1\n", "filename": None}],
        "stop": None,
        "n_predict": 4,
    }
    assert web.post("/infill", json=body).status_code == 200
    assert web.post("/infill", json={**body, "input_extra": None}).status_code == 200


def test_with_a_seed_nothing_is_read_but_what_is_sent(web: httpx.Client) -> None:
    top = "import os\nimport sys\n"
    file = "".join(f"line_{n} = {n}\n" for n in range(200))
    evaluated = []
    for seed in ({}, {"seed": 4}):
        for start in (0, 400):
            window = (top + file)[start : start + 1500]
            body = {"input_prefix": window, "n_predict": 2, **seed}
            answer = web.post("/infill", json=body).json()
        evaluated.append(answer["tokens_evaluated"])
    assert evaluated[1] < evaluated[0]


def test_no_tokens_means_no_text_in_a_stream_too(web: httpx.Client) -> None:
    body = {"input_prefix": "x = 1\n" * 4, "n_predict": 0, "stream": True}
    text = web.post("/infill", json=body).text
    events = [json.loads(part.removeprefix("data: ")) for part in text.strip().split("\n\n")]
    assert {event["content"] for event in events} == {""}
