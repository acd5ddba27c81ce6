"""Events of an answer, as each kind of server writes them.

All readers raise `msgspec.DecodeError` for what is no event of their kind.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec


@dataclass(frozen=True, slots=True)
class Piece:
    """Text that follows, and its log-probability, if the server told it."""

    text: str
    logprob: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A part of an answer.

    Attributes:
        pieces: What to append.
        is_cut: Whether the server stopped for want of tokens.
        is_last: Whether the server says that nothing follows.
        confidence: A probability that the server itself gives the answer; Midspan's does.
        error: What went wrong on the way, as JSON; None if nothing.
    """

    pieces: tuple[Piece, ...] = ()
    is_cut: bool = False
    is_last: bool = False
    confidence: float | None = None
    error: object = None


class _Content(msgspec.Struct, frozen=True):
    content: str | None = None


class _Confidence(msgspec.Struct, frozen=True):
    confidence: float | None = None


class _Choice(msgspec.Struct, frozen=True):
    text: str | None = None
    delta: _Content | None = None
    message: _Content | None = None
    finish_reason: str | None = None
    logprobs: Any = None
    midspan: _Confidence | None = None


class _OpenAiEvent(msgspec.Struct, frozen=True):
    choices: tuple[_Choice, ...] = ()
    error: Any = None


class _Token(msgspec.Struct, frozen=True):
    token: str = ""
    logprob: float | None = None


class _LegacyLogprobs(msgspec.Struct, frozen=True):
    tokens: tuple[str, ...]
    token_logprobs: tuple[float | None, ...]


class _LlamaEvent(msgspec.Struct, frozen=True):
    content: str = ""
    stop: bool = False
    stop_type: str = ""
    completion_probabilities: tuple[_Token, ...] = ()
    error: Any = None


class _OllamaEvent(msgspec.Struct, frozen=True):
    response: str = ""
    done: bool = False
    done_reason: str = ""
    logprobs: tuple[_Token, ...] | None = None
    error: Any = None


def read_openai(data: bytes) -> Event:
    """Of OpenAI, Mercury and Mistral: as a stream or as a whole, as text or as a chat."""
    event = msgspec.json.decode(data, type=_OpenAiEvent)
    if not event.choices:
        return Event(error=event.error)
    choice = event.choices[0]
    content = choice.delta or choice.message
    text = choice.text or (content.content if content else None) or ""
    return Event(
        pieces=_pieces(text, _legacy_tokens(choice.logprobs)),
        is_cut=choice.finish_reason == "length",
        is_last=choice.finish_reason is not None,
        confidence=choice.midspan.confidence if choice.midspan else None,
        error=event.error,
    )


def _legacy_tokens(logprobs: object) -> tuple[_Token, ...]:
    """Log-probabilities are a luxury: what has another shape is left alone."""
    try:
        found = msgspec.convert(logprobs, _LegacyLogprobs)
    except msgspec.ValidationError:
        return ()
    pairs = zip(found.tokens, found.token_logprobs, strict=False)
    return tuple(_Token(token, logprob) for token, logprob in pairs)


def read_llamacpp(data: bytes) -> Event:
    """Of llama.cpp's `/infill`."""
    event = msgspec.json.decode(data, type=_LlamaEvent)
    return Event(
        pieces=_pieces(event.content, event.completion_probabilities),
        is_cut=event.stop_type == "limit",
        is_last=event.stop,
        error=event.error,
    )


def read_ollama(data: bytes) -> Event:
    """Of Ollama's `/api/generate`."""
    event = msgspec.json.decode(data, type=_OllamaEvent)
    return Event(
        pieces=_pieces(event.response, event.logprobs or ()),
        is_cut=event.done_reason == "length",
        is_last=event.done,
        error=event.error,
    )


def _pieces(text: str, tokens: tuple[_Token, ...]) -> tuple[Piece, ...]:
    """One piece for each token, where the tokens make up the text; else the text with their mean.

    A token may be a part of a letter, and then its text says nothing.
    """
    if not text:
        return ()
    if "".join(one.token for one in tokens) == text:
        return tuple(Piece(one.token, one.logprob) for one in tokens)
    known = [one.logprob for one in tokens if one.logprob is not None]
    return (Piece(text, sum(known) / len(known) if known else None),)
