"""What the server sends; the OpenAPI document is made from these classes too."""

from __future__ import annotations

import math
from typing import Literal

import msgspec

from midspan_engine.protocol import Cell, Choice, DecodeStats, EditFinish, Finish

FinishReason = Literal["stop", "length"]
_LEAST_PROBABILITY = 1e-30
_REASONS: dict[str, FinishReason] = {"length": "length", "budget": "length"}


def finish_reason(finish: str) -> FinishReason:
    """OpenAI's word for why a text ended; `choice.midspan.finish` has ours."""
    return _REASONS.get(finish, "stop")


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """Base of all of them."""


class CachedTokens(Answer, frozen=True, kw_only=True):
    """OpenAI's place for them."""

    cached_tokens: int


class Usage(Answer, frozen=True, kw_only=True):
    """Tokens, in the words of OpenAI and of Mercury."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    cached_input_tokens: int
    prompt_tokens_details: CachedTokens
    reasoning_tokens: int = 0

    @classmethod
    def of(cls, stats: DecodeStats) -> Usage:
        """Of one request."""
        return cls(
            prompt_tokens=stats.prompt_tokens,
            completion_tokens=stats.tokens,
            total_tokens=stats.prompt_tokens + stats.tokens,
            cached_input_tokens=stats.cached_tokens,
            prompt_tokens_details=CachedTokens(cached_tokens=stats.cached_tokens),
        )


def sum_stats(parts: list[DecodeStats]) -> DecodeStats:
    """Of several requests that one body asked for: counts add up, times are the longest."""
    if len(parts) == 1:
        return parts[0]
    fields = DecodeStats.__struct_fields__
    return DecodeStats(
        **{
            name: (max if name.endswith("_ms") else sum)(getattr(part, name) for part in parts)
            for name in fields
        }
    )


class ChoiceExtras(Answer, frozen=True, kw_only=True, omit_defaults=True):
    """What only Midspan says of a choice: at its end how sure it is, before it the canvas.

    Attributes:
        finish: Why it ended, in the engine's words.
        confidence: Probability, calibrated on held-out tasks, that this is what was wanted.
        mean_logprob: Mean natural log-probability of the tokens.
        step: Number of the pass.
        cells: The canvas after it.
    """

    finish: Finish | None = None
    confidence: float | None = None
    mean_logprob: float | None = None
    step: int | None = None
    cells: tuple[Cell, ...] | None = None

    @classmethod
    def of(cls, choice: Choice) -> ChoiceExtras:
        """Of a finished choice."""
        return cls(
            finish=choice.finish, confidence=choice.confidence, mean_logprob=choice.mean_logprob
        )


class LogProbs(Answer, frozen=True, kw_only=True):
    """OpenAI's: one entry a token.

    Attributes:
        tokens: Their texts.
        token_logprobs: Natural logarithms.
        top_logprobs: The token itself; None where none were asked for.
        text_offset: Where each begins in the prompt and the text behind it.
    """

    tokens: tuple[str, ...]
    token_logprobs: tuple[float, ...]
    top_logprobs: tuple[dict[str, float], ...] | None
    text_offset: tuple[int, ...]

    @classmethod
    def of(cls, choice: Choice, *, offset: int, top: int) -> LogProbs:
        """Of a choice with its cells; what they spell beyond its text is left out."""
        texts, values, offsets = [], [], []
        at = 0
        for cell in choice.cells:
            text = cell.text[: len(choice.text) - at]
            if text:
                texts.append(text)
                values.append(math.log(max(cell.probability, _LEAST_PROBABILITY)))
                offsets.append(offset + at)
                at += len(text)
        pairs = zip(texts, values, strict=True)
        return cls(
            tokens=tuple(texts),
            token_logprobs=tuple(values),
            top_logprobs=tuple({text: value} for text, value in pairs) if top else None,
            text_offset=tuple(offsets),
        )


class TextChoice(Answer, frozen=True, kw_only=True):
    """One alternative, or a piece of one."""

    index: int
    text: str
    finish_reason: FinishReason | None
    logprobs: LogProbs | None = None
    midspan: ChoiceExtras | None = None


class Completion(Answer, frozen=True, kw_only=True):
    """Of `/v1/completions` and `/v1/fim/completions`; a stream sends it in pieces."""

    id: str
    created: int
    model: str
    choices: tuple[TextChoice, ...]
    object: Literal["text_completion"] = "text_completion"
    usage: Usage | None = None
    warning: str | None = None
    midspan: DecodeStats | None = None


class ChatMessage(Answer, frozen=True, kw_only=True):
    """The assistant's turn."""

    content: str
    role: Literal["assistant"] = "assistant"


class ChatChoice(Answer, frozen=True, kw_only=True):
    """One alternative."""

    index: int
    message: ChatMessage
    finish_reason: FinishReason
    logprobs: None = None
    midspan: ChoiceExtras | None = None


class Chat(Answer, frozen=True, kw_only=True):
    """Of `/v1/chat/completions`."""

    id: str
    created: int
    model: str
    choices: tuple[ChatChoice, ...]
    usage: Usage
    object: Literal["chat.completion"] = "chat.completion"
    midspan: DecodeStats | None = None


class EditExtras(Answer, frozen=True, kw_only=True):
    """How sure the model is of an edit, and what it cost; see the engine's `Edited`."""

    finish: EditFinish
    edit_probability: float
    mean_logprob: float
    lowest_logprob: float
    stats: DecodeStats


class Edit(Answer, frozen=True, kw_only=True):
    """Of `/v1/edit/completions`: the region as it should be between fences, or `None`."""

    id: str
    created: int
    model: str
    choices: tuple[ChatChoice, ...]
    usage: Usage
    object: Literal["edit.completion"] = "edit.completion"
    warning: str | None = None
    midspan: EditExtras | None = None


class Delta(Answer, frozen=True, kw_only=True, omit_defaults=True):
    """What a chunk adds; with `diffusing` the whole canvas instead."""

    role: Literal["assistant"] | None = None
    content: str | None = None


class ChatChunkChoice(Answer, frozen=True, kw_only=True):
    """A piece of one alternative."""

    index: int
    delta: Delta
    finish_reason: FinishReason | None = None
    midspan: ChoiceExtras | None = None


class ChatChunk(Answer, frozen=True, kw_only=True):
    """A piece of a streamed chat."""

    id: str
    created: int
    model: str
    choices: tuple[ChatChunkChoice, ...]
    object: Literal["chat.completion.chunk"] = "chat.completion.chunk"
    usage: Usage | None = None
    midspan: DecodeStats | None = None


class Timings(Answer, frozen=True, kw_only=True):
    """llama.cpp's, times in milliseconds."""

    prompt_n: int = 0
    prompt_ms: float = 0.0
    prompt_per_token_ms: float = 0.0
    prompt_per_second: float = 0.0
    predicted_n: int = 0
    predicted_ms: float = 0.0
    predicted_per_token_ms: float = 0.0
    predicted_per_second: float = 0.0

    @classmethod
    def of(cls, stats: DecodeStats) -> Timings:
        """Of one request; cached tokens are not counted, as llama.cpp does not."""
        prompt = stats.prompt_tokens - stats.cached_tokens
        return cls(
            prompt_n=prompt,
            prompt_ms=stats.context_ms,
            prompt_per_token_ms=stats.context_ms / max(prompt, 1),
            prompt_per_second=_rate(prompt, stats.context_ms),
            predicted_n=stats.tokens,
            predicted_ms=stats.decode_ms,
            predicted_per_token_ms=stats.decode_ms / max(stats.tokens, 1),
            predicted_per_second=_rate(stats.tokens, stats.decode_ms),
        )


def _rate(count: int, milliseconds: float) -> float:
    return count * 1e3 / milliseconds if milliseconds > 0 else 0.0


class LlamaInfill(Answer, frozen=True, kw_only=True):
    """Of `/infill`; with `response_fields` only those, named as they were asked for."""

    content: str = ""
    stop: bool = True
    model: str = ""
    index: int = 0
    tokens_predicted: int = 0
    tokens_evaluated: int = 0
    tokens_cached: int = 0
    truncated: bool = False
    stop_type: Literal["none", "eos", "limit", "word"] = "eos"
    stopping_word: str = ""
    timings: Timings = Timings()
    midspan: DecodeStats | None = None


class Model(Answer, frozen=True, kw_only=True):
    """The loaded model."""

    id: str
    created: int
    object: Literal["model"] = "model"
    owned_by: str = "midspan"


class Models(Answer, frozen=True, kw_only=True):
    """Of `/v1/models`."""

    data: tuple[Model, ...]
    object: Literal["list"] = "list"


class Health(Answer, frozen=True, kw_only=True):
    """Of `/health`; 200 where `status` is `ok`, else 503.

    Attributes:
        status: Of the engine.
        message: What it is doing, or why it failed.
        progress: Of loading, 0..1.
        model: Its name.
        runtime: What runs it.
        adapter: Whether masks can be filled, so that the effort `draft` is one of its own.
        waiting: Requests that are not answered yet.
    """

    status: Literal["ok", "loading", "failed", "stopping"]
    message: str = ""
    progress: float = 0.0
    model: str = ""
    runtime: str = ""
    adapter: bool = False
    waiting: int = 0


class ErrorDetail(Answer, frozen=True, kw_only=True):
    """OpenAI's."""

    message: str
    type: str
    param: str | None = None
    code: str | None = None


class ErrorAnswer(Answer, frozen=True, kw_only=True):
    """Of everything that is refused or fails."""

    error: ErrorDetail
