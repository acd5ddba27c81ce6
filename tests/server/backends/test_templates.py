from __future__ import annotations

import pytest

from midspan_server.backends.templates import TEMPLATES, is_template, template


@pytest.mark.parametrize(
    ("name", "prompt"),
    [
        ("qwen", "<|fim_prefix|>a<|fim_suffix|>b<|fim_middle|>"),
        ("codegemma", "<|fim_prefix|>a<|fim_suffix|>b<|fim_middle|>"),
        ("starcoder", "<fim_prefix>a<fim_suffix>b<fim_middle>"),
        ("deepseek", "<｜fim▁begin｜>a<｜fim▁hole｜>b<｜fim▁end｜>"),  # noqa: RUF001  its tokens
        ("codestral", "[SUFFIX]b[PREFIX]a"),
        ("<PRE> {prefix} <SUF>{suffix} <MID>", "<PRE> a <SUF>b <MID>"),
    ],
)
def test_a_prompt_is_as_the_model_was_trained(name: str, prompt: str) -> None:
    chosen = template(name)
    assert chosen is not None
    assert chosen.prompt("a", "b") == prompt


def test_places_in_the_users_text_are_text() -> None:
    chosen = template("qwen")
    assert chosen is not None
    assert chosen.prompt("{suffix}", "{prefix}") == (
        "<|fim_prefix|>{suffix}<|fim_suffix|>{prefix}<|fim_middle|>"
    )


@pytest.mark.parametrize("name", sorted(TEMPLATES))
def test_a_marker_in_the_users_text_is_no_token(name: str) -> None:
    chosen = TEMPLATES[name]
    plain = chosen.prompt("", "")
    for marker in chosen.stops:
        prompt = chosen.prompt(f"x = '{marker}'", marker)
        assert prompt.count(marker) == plain.count(marker)


def test_a_template_of_ones_own_has_each_place_once() -> None:
    assert is_template("[{suffix}]{prefix}")
    assert not is_template("qwne")
    assert not is_template("{prefix}")
    assert not is_template("{prefix}{suffix}{prefix}")
    assert template("") is None
