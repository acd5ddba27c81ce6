"""Bodies of requests, as each kind of server takes them.

Shapes from the OpenAPI documents of Inception and Mistral, OpenAI's legacy completions, and the
documentation of llama.cpp's server and of Ollama.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """What a body is made of; `stops` are those that the server is told."""

    prefix: str
    suffix: str
    stops: tuple[str, ...]
    max_tokens: int
    model: str
    extra: tuple[dict[str, str], ...]
    is_raw: bool
    with_logprobs: bool


def openai_body(prompt: Prompt) -> dict[str, Any]:
    """OpenAI's legacy completions; a raw prompt has no suffix."""
    body = mercury_body(prompt) | {"temperature": 0}
    if prompt.is_raw:
        del body["suffix"]
    return body | ({"logprobs": 1} if prompt.with_logprobs else {})


def mercury_body(prompt: Prompt) -> dict[str, Any]:
    """Mercury's FIM has no temperature."""
    return {
        **({"model": prompt.model} if prompt.model else {}),
        "prompt": prompt.prefix,
        "suffix": prompt.suffix,
        "max_tokens": prompt.max_tokens,
        "stream": True,
        **({"stop": list(prompt.stops)} if prompt.stops else {}),
    }


def llamacpp_body(prompt: Prompt) -> dict[str, Any]:
    """llama.cpp's `/infill`."""
    return {
        **({"model": prompt.model} if prompt.model else {}),
        "input_prefix": prompt.prefix,
        "input_suffix": prompt.suffix,
        "input_extra": list(prompt.extra),
        "prompt": "",
        "n_predict": prompt.max_tokens,
        "temperature": 0,
        "cache_prompt": True,
        "stream": True,
        "stop": list(prompt.stops),
        **({"n_probs": 1} if prompt.with_logprobs else {}),
    }


def ollama_body(prompt: Prompt) -> dict[str, Any]:
    """`raw` keeps the model's own chat template away from a prompt that is whole."""
    own = {"raw": True} if prompt.is_raw else {"suffix": prompt.suffix}
    options = {"temperature": 0, "num_predict": prompt.max_tokens, "stop": list(prompt.stops)}
    return {
        "model": prompt.model,
        "prompt": prompt.prefix,
        **own,
        "stream": True,
        "options": options,
        **({"logprobs": True} if prompt.with_logprobs else {}),
    }
