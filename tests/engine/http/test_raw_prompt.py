from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from midspan_engine.http.raw_prompt import split_raw

if TYPE_CHECKING:
    import httpx


@pytest.mark.parametrize(
    "prompt",
    [
        "<|fim_prefix|>a = <|fim_suffix|>\nb<|fim_middle|>",
        "<fim_prefix>a = <fim_suffix>\nb<fim_middle>",
        "<｜fim▁begin｜>a = <｜fim▁hole｜>\nb<｜fim▁end｜>",  # noqa: RUF001
        "<PRE> a =  <SUF>\nb <MID>",
        "[SUFFIX]\nb[PREFIX]a = ",
    ],
)
def test_prompts_in_the_marks_of_any_family_are_taken_apart(prompt: str) -> None:
    assert split_raw(prompt) == ("a = ", "\nb")


def test_other_files_before_the_prefix_are_kept_as_text() -> None:
    prompt = "<|file_sep|>io.py\nx = 1\n<|fim_prefix|>a<|fim_suffix|>b<|fim_middle|>"
    assert split_raw(prompt) == ("io.py\nx = 1\na", "b")


@pytest.mark.parametrize("text", ["", "a = 1", 'MARK = "<|fim_prefix|>"\n', "see <fim_middle>"])
def test_other_texts_stay_whole(text: str) -> None:
    assert split_raw(text) == (text, "")


def test_a_raw_prompt_gives_what_prompt_and_suffix_give(web: httpx.Client) -> None:
    """llama.vscode's `openai_prompt_template`, and Continue's for servers without `suffix`."""
    raw = {"prompt": "<|fim_prefix|>a = <|fim_suffix|>\nb = 2\n<|fim_middle|>", "max_tokens": 8}
    apart = {"prompt": "a = ", "suffix": "\nb = 2\n", "max_tokens": 8}
    texts = [
        web.post("/v1/completions", json=body).json()["choices"][0]["text"] for body in (raw, apart)
    ]
    assert texts[0] == texts[1]
