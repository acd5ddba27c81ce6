"""`/infill` as llama.vim and llama.vscode send it and read its answer."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import httpx

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
