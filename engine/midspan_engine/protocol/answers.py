"""What the engine sends."""

from __future__ import annotations

from typing import Literal

import msgspec

from midspan_engine.protocol.errors import RejectionCode  # noqa: TC001  msgspec reads it
from midspan_engine.protocol.requests import PROTOCOL_VERSION, Message

Finish = Literal["eos", "line", "block", "stop", "length", "budget"]
EngineState = Literal["loading", "ready", "failed", "stopping"]


class Welcome(Message, frozen=True, kw_only=True, tag="welcome"):
    """First frame of the engine."""

    protocol: int = PROTOCOL_VERSION
    engine: str = ""
    pid: int = 0


class DecodeStats(msgspec.Struct, frozen=True, kw_only=True):
    """What one request cost.

    `passes` counts forward passes that looked for tokens. The first of them also encodes the end of
    the context, so it belongs to `context_ms`; the others make up `decode_ms`.
    """

    passes: int = 0
    tokens: int = 0
    drafted: int = 0
    accepted: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    queue_ms: float = 0.0
    context_ms: float = 0.0
    decode_ms: float = 0.0
    total_ms: float = 0.0


CellState = Literal["committed", "guess", "mask"]


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """One token of a canvas.

    Attributes:
        text: What it would add; of a mask, what the network would fill in now.
        probability: Of that token, 0..1; 0 where nothing is known of a mask yet.
        state: `committed` stays, a `guess` waits to be confirmed or revised.
    """

    text: str
    probability: float
    state: CellState


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """One filled span.

    Attributes:
        text: What goes into the hole.
        finish: Why it ended.
        confidence: Probability, calibrated on held-out tasks, that this is what was wanted.
        mean_logprob: Mean natural log-probability of the span's tokens.
        suffix_logprob: Mean natural log-probability of the first suffix tokens after the span; 0
            where there is no suffix or it was not measured (one answer was asked for).
        cells: Its tokens, where the request asked for the canvas; the end mark spells nothing.
    """

    text: str
    finish: Finish
    confidence: float
    mean_logprob: float
    suffix_logprob: float = 0.0
    cells: tuple[Cell, ...] = ()


class Partial(Message, frozen=True, kw_only=True, tag="partial"):
    """Text committed so far, sent only where the request asked for `stream`.

    `cells` is the canvas, where the request asked for that too.
    """

    id: int
    text: str
    cells: tuple[Cell, ...] = ()


class Infill(Message, frozen=True, kw_only=True, tag="infilled"):
    """The answer. No choices: cancelled, or overtaken by a newer request of the session."""

    id: int
    document_version: int
    choices: tuple[Choice, ...] = ()
    stats: DecodeStats = DecodeStats()


EditFinish = Literal["edit", "no_edit", "cancelled", "budget", "length"]
LikelihoodFinish = Literal["done", "cancelled", "budget"]


class Edited(Message, frozen=True, kw_only=True, tag="edited"):
    """The answer to an `EditRequest`.

    Attributes:
        id: Of the request.
        document_version: Of the request.
        finish: `edit` where `text` differs from the region; all others carry no text. `cancelled`
            also where a newer request of the session overtook it.
        text: The whole region as it should be; "" with `edit` where all of it is to go.
        edit_probability: The model's own probability that anything is to change at all.
        mean_logprob: Mean natural log-probability of the tokens that differ from the region.
        lowest_logprob: Of the least certain of them.
        stats: What it cost.
    """

    id: int
    document_version: int
    finish: EditFinish
    text: str = ""
    edit_probability: float = 0.0
    mean_logprob: float = 0.0
    lowest_logprob: float = 0.0
    stats: DecodeStats = DecodeStats()


class Likelihoods(Message, frozen=True, kw_only=True, tag="likelihoods"):
    """The answer to a `LikelihoodRequest`.

    Attributes:
        id: Of the request.
        document_version: Of the request.
        finish: `budget` where the time ended before the last passage; `cancelled` also where a
            newer request of the session overtook it.
        losses: For each passage that was reached, in order, and each of its lines that was read:
            nats that the line's text is less likely with the history in the prompt than without.
        stats: What it cost.
    """

    id: int
    document_version: int
    finish: LikelihoodFinish
    losses: tuple[tuple[float, ...], ...] = ()
    stats: DecodeStats = DecodeStats()


class Failure(Message, frozen=True, kw_only=True, tag="failure"):
    """Request `id` was refused; 0 when the connection itself is."""

    id: int
    code: RejectionCode
    message: str


class EngineStatus(Message, frozen=True, kw_only=True, tag="status"):
    """State of the engine.

    `progress` is 0..1 while loading, `sessions` counts connected clients and `queued` requests that
    are not answered yet.
    """

    state: EngineState
    message: str = ""
    progress: float = 0.0
    model: str = ""
    runtime: str = ""
    sessions: int = 0
    queued: int = 0
    resident_bytes: int = 0


EngineMessage = Welcome | Partial | Infill | Edited | Likelihoods | Failure | EngineStatus
