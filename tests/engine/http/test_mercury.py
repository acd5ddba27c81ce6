"""Requests as Zed, Continue and minuet-ai.nvim send them to Mercury."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from midspan_engine.http.edits import narrow
from midspan_engine.http.mercury_prompt import MercuryPrompt, parse_history, parse_mercury

if TYPE_CHECKING:
    import httpx

BEFORE = "import os\n\n\n"
REGION = "def total(a, b):\n    return a + b\n"
AFTER = "\n\nprint(total(1, 2))\n"
HISTORY = """--- a/src/b.py
+++ b/src/b.py
@@ -3,3 +3,3 @@
 x = 1
-def total(a):
+def total(a, b):
     return a
@@ -9,1 +9,1 @@
-print(total(1))
+print(total(1, 2))
"""


def nested(region: str, after: str) -> str:
    """Zed's and Continue's: the region inside the file."""
    return (
        "<|recently_viewed_code_snippets|>\n<|recently_viewed_code_snippet|>\n"
        "code_snippet_file_path: a.py\nseen = 1\n<|/recently_viewed_code_snippet|>\n"
        "<|/recently_viewed_code_snippets|>\n<|current_file_content|>\n"
        f"current_file_path: src/b.py\n{BEFORE}<|code_to_edit|>\n{region}<|/code_to_edit|>\n"
        f"{after}<|/current_file_content|>\n<|edit_diff_history|>\n{HISTORY}<|/edit_diff_history|>\n"
    )


def behind(region: str) -> str:
    """Mercury's own example: the file, then the region."""
    plain = region.replace("<|cursor|>", "")
    return (
        "<|recently_viewed_code_snippets|>\n\n<|/recently_viewed_code_snippets|>\n\n"
        f"<|current_file_content|>\ncurrent_file_path: src/b.py\n{BEFORE}{plain}{AFTER}"
        f"<|/current_file_content|>\n\n<|code_to_edit|>\n{region}<|/code_to_edit|>\n\n"
        f"<|edit_diff_history|>\n{HISTORY}<|/edit_diff_history|>\n"
    )


WITH_CURSOR = REGION.replace("a + b", "a<|cursor|> + b")


@pytest.mark.parametrize(
    "prompt",
    [
        nested(WITH_CURSOR, AFTER),
        nested(WITH_CURSOR.removesuffix("\n"), "\n" + AFTER),  # Zed's, cut at a line's end
        behind(WITH_CURSOR),
    ],
)
def test_both_placements_of_the_region_say_the_same(prompt: str) -> None:
    parsed = parse_mercury(prompt)
    assert parsed is not None
    assert (parsed.path, parsed.before, parsed.after) == ("src/b.py", BEFORE, AFTER)
    assert parsed.region.rstrip("\n") == REGION.rstrip("\n")
    assert parsed.cursor == WITH_CURSOR.index("<|cursor|>")
    assert [edit.path for edit in parsed.history] == ["src/b.py", "src/b.py"]
    assert parsed.history[1].diff == "-print(total(1))\n+print(total(1, 2))\n"


def test_a_region_that_stands_twice_is_the_one_with_the_cursor() -> None:
    content = f"{REGION}\n# second\n{REGION.replace('return', 'retu<|cursor|>rn')}end\n"
    prompt = (
        f"<|current_file_content|>\n{content}<|/current_file_content|>\n"
        f"<|code_to_edit|>\n{REGION}<|/code_to_edit|>\n"
    )
    parsed = parse_mercury(prompt)
    assert parsed is not None
    assert parsed.before == f"{REGION}\n# second\n"
    assert parsed.after == "end\n"


def test_history_of_several_files_is_told_apart() -> None:
    text = (
        "--- a/x.py\told\n+++ b/x.py\tnew\n@@ -1 +1 @@\n-a = 1\n+a = 2\n"
        'User edited file: "y.py":\n\n```diff\n@@ -1,2 +1,2 @@\n context\n-b\n+c\n```\n'
        "--- a/z.py\n+++ b/z.py\n@@ -1 +1 @@\n--- gone\n+++ there\n"
    )
    edits = [(edit.path, edit.diff) for edit in parse_history(text)]
    assert edits == [
        ("x.py", "-a = 1\n+a = 2\n"),
        ("y.py", " context\n-b\n+c\n"),
    ] or edits[:2] == [("x.py", "-a = 1\n+a = 2\n"), ("y.py", " context\n-b\n+c\n")]


def test_an_unmarked_prompt_has_no_region(web: httpx.Client) -> None:
    assert parse_mercury("rewrite this, please") is None
    refused = web.post(
        "/v1/edit/completions", json={"messages": [{"role": "user", "content": "rewrite this"}]}
    )
    assert refused.status_code == 400
    assert refused.json()["error"]["param"] == "messages"


def zed_body(prompt: str) -> dict[str, Any]:
    """`open_ai::Request` as Zed serialises it."""
    return {
        "model": "mercury-coder",
        "messages": [{"role": "user", "content": prompt}],
        "stream": False,
        "tools": [],
    }


def test_zed_gets_the_region_between_fences_or_none(web: httpx.Client) -> None:
    for prompt in (nested(WITH_CURSOR, AFTER), behind(WITH_CURSOR)):
        answer = web.post("/v1/edit/completions", json=zed_body(prompt))
        assert answer.status_code == 200, answer.text
        body = answer.json()
        assert body["object"] == "edit.completion"
        content = body["choices"][0]["message"]["content"]
        assert content == "None" or (content.startswith("```\n") and content.endswith("\n```"))
        assert body["midspan"]["finish"] in {"edit", "no_edit", "length"}
        assert (content == "None") == (body["midspan"]["finish"] != "edit")
        assert body["usage"]["prompt_tokens"] > 20


@pytest.mark.parametrize("region", ["", "\n", "\n\n<|cursor|>\n\n"])
def test_nothing_is_edited_in_a_blank_region(web: httpx.Client, region: str) -> None:
    answer = web.post("/v1/edit/completions", json=zed_body(nested(region, AFTER)))
    assert answer.status_code == 200
    body = answer.json()
    assert body["choices"][0]["message"]["content"] == "None"
    assert body["midspan"]["finish"] == "no_edit"


def test_marks_within_a_viewed_snippet_are_not_the_region() -> None:
    snippet = (
        "fn f() { push('<|code_to_edit|>'); push('<|/code_to_edit|>') }\n<|current_file_content|>\n"
    )
    parsed = parse_mercury(nested(WITH_CURSOR, AFTER).replace("seen = 1\n", snippet))
    assert parsed is not None
    assert (parsed.before, parsed.region, parsed.after) == (BEFORE, REGION, AFTER)


def test_a_form_feed_ends_no_line() -> None:
    region = "a = '\x0c'\n" * 30 + "cursor = 1\nlast = 2\n"
    prompt = MercuryPrompt(
        path="", before="", region=region, after="", cursor=region.index("cursor"), history=()
    )
    narrowed = narrow(prompt, lambda _line: 1, 3)
    assert narrowed is not None
    assert "cursor = 1\n" in narrowed.region
    assert narrowed.head + narrowed.region + narrowed.tail == region
    diff = "--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\x0cb\r\n+c\x0cd\r\n"
    assert [edit.diff for edit in parse_history(diff)] == ["-a\x0cb\n+c\x0cd\n"]


def test_continue_streams_the_edit_in_one_piece(web: httpx.Client) -> None:
    body = {
        "model": "mercury-editor-small-experimental",
        "messages": [
            {"role": "system", "content": "You are Mercury."},
            {"role": "user", "content": [{"type": "text", "text": nested(REGION, AFTER)}]},
        ],
        "stream": True,
        "stop": ["<|endoftext|>"],
        "presence_penalty": 1.5,
    }
    answer = web.post("/v1/edit/completions", json=body)
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = answer.text.strip().split("\n\n")
    assert events[-1] == "data: [DONE]"
    chunk = json.loads(events[0].removeprefix("data: "))
    assert chunk["choices"][0]["delta"]["content"]


def test_a_region_and_a_file_that_are_too_long_are_cut_and_answered(web: httpx.Client) -> None:
    lines = [f"value_{n} = compute(value_{n - 1}, {n})\n" for n in range(4000)]
    region = "".join(lines[2000:2200]).replace("compute(value_2099", "compute(<|cursor|>value_2099")
    prompt = (
        f"<|current_file_content|>\ncurrent_file_path: b.py\n{''.join(lines[:2000])}"
        f"<|code_to_edit|>\n{region}<|/code_to_edit|>\n{''.join(lines[2200:])}"
        f"<|/current_file_content|>\n<|edit_diff_history|>\n{HISTORY}<|/edit_diff_history|>\n"
    )
    answer = web.post("/v1/edit/completions", json=zed_body(prompt))
    assert answer.status_code == 200, answer.text
    one_line = f"<|code_to_edit|>\n{'x' * 20_000}\n<|/code_to_edit|>"
    answer = web.post("/v1/edit/completions", json=zed_body(one_line))
    assert answer.json()["choices"][0]["message"]["content"] == "None"
    assert answer.json()["warning"]


def test_a_long_region_is_narrowed_around_the_cursor_and_nothing_is_lost() -> None:
    region = "".join(f"line {n}\n" for n in range(100))
    prompt = MercuryPrompt(
        path="", before="", region=region, after="", cursor=region.index("line 50"), history=()
    )
    narrowed = narrow(prompt, lambda line: len(line.split()), 20)
    assert narrowed is not None
    assert narrowed.head + narrowed.region + narrowed.tail == region
    assert len(narrowed.region.split()) <= 20
    assert narrowed.region.index("line 50") < len(narrowed.region) / 2
    assert narrow(prompt, lambda _line: 21, 20) is None


def test_minuet_streams_a_fim_completion(web: httpx.Client) -> None:
    """`lua/minuet/backends/openai_base.lua` with the end point of Mercury."""
    body = {
        "model": "mercury-coder",
        "stream": True,
        "max_tokens": 40,
        "top_p": 0.9,
        "prompt": "-- language: lua\nlocal function f()\n  return ",
        "suffix": "\nend\n",
    }
    answer = web.post("/v1/fim/completions", json=body, headers={"Accept": "application/json"})
    chunks = _chunks(answer.text)
    assert "".join(chunk["choices"][0]["text"] for chunk in chunks)
    assert chunks[-1]["choices"][0]["finish_reason"] in {"stop", "length"}


def test_continue_streams_a_fim_completion_with_no_suffix_as_a_mark(web: httpx.Client) -> None:
    """`core/llm/llms/Inception.ts`: `{apiBase}completions`, an empty suffix spelled out."""
    body = {
        "model": "mercury-coder-small",
        "prompt": "x = ",
        "suffix": "<|endoftext|>",
        "max_tokens": 150,
        "temperature": 0,
        "presence_penalty": 1.5,
        "stop": ["<|endoftext|>", "\n\n", "\n \n"],
        "stream": True,
    }
    marked = "".join(c["choices"][0]["text"] for c in _chunks(_post(web, body)))
    empty = "".join(c["choices"][0]["text"] for c in _chunks(_post(web, {**body, "suffix": ""})))
    assert marked == empty
    assert "\n\n" not in marked


def test_mercurys_answer_has_its_usage_and_its_lists(web: httpx.Client) -> None:
    answer = web.post(
        "/v1/fim/completions",
        json={"model": "mercury-edit-2", "prompt": "a = ", "suffix": "\n", "max_tokens": 4},
    ).json()
    assert answer["object"] == "text_completion"
    assert {"prompt_tokens", "reasoning_tokens", "completion_tokens", "total_tokens"} <= set(
        answer["usage"]
    )
    assert answer["usage"]["cached_input_tokens"] >= 0
    assert "warning" in answer
    for kind in ("chat", "fim", "edit"):
        assert web.get(f"/v1/{kind}/completions/models").json()["data"][0]["id"] == "tiny"


def test_diffusing_streams_the_whole_canvas_at_every_step(web: httpx.Client) -> None:
    body = {
        "model": "mercury",
        "messages": [{"role": "user", "content": "hello"}],
        "stream": True,
        "diffusing": True,
        "max_tokens": 24,
    }
    chunks = _chunks(web.post("/v1/chat/completions", json=body).text)
    canvases = [chunk["choices"][0]["delta"]["content"] for chunk in chunks[1:]]
    plain = web.post(
        "/v1/chat/completions", json={**body, "stream": False, "midspan": {"effort": "draft"}}
    ).json()
    assert canvases[-1] == plain["choices"][0]["message"]["content"]
    assert any("\N{LIGHT SHADE}" in canvas for canvas in canvases[:-1])
    assert len(canvases[2]) > 0


def _post(web: httpx.Client, body: dict[str, Any]) -> str:
    answer = web.post("/v1/completions", json=body)
    assert answer.status_code == 200, answer.text
    return answer.text


def _chunks(text: str) -> list[Any]:
    events = text.strip().split("\n\n")
    assert events[-1] == "data: [DONE]"
    return [json.loads(event.removeprefix("data: ")) for event in events[:-1]]
