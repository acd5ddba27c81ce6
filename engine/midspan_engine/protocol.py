"""The wire between an editor-side process and the engine: types, errors, codec, addresses.

Frames are a 4-byte big-endian length and then one msgpack map (`encode`, `frame_length`). The first
frame of a client is `Hello`, the first of the engine `Welcome`; afterwards the client sends
`InfillRequest`, `Cancel`, `StatusQuery` and the engine `Partial`, `Infill`, `Failure`,
`EngineStatus`. Text travels, token ids never do. Errors are one tree:

    MidspanError
    ├── EngineUnavailable    not running, not reachable, gone while we waited
    ├── ProtocolMismatch     the other end speaks another version, or not this protocol
    └── RequestRejected      understood and refused; `code` says why

A stale or cancelled request is no error: its result is `None`.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Literal

import msgspec
import platformdirs

PROTOCOL_VERSION = 1
MAX_FRAME_BYTES = 16 * 1024 * 1024
_LONGEST_RUNTIME_FOLDER = 80

Effort = Literal["draft", "balanced", "verified"]
Scope = Literal["line", "block"]
Finish = Literal["eos", "line", "block", "stop", "length", "budget"]
RejectionCode = Literal["queue_full", "too_large", "bad_request", "unauthorized", "not_ready"]
EngineState = Literal["loading", "ready", "failed", "stopping"]


class MidspanError(Exception):
    """Base of all errors that Midspan raises on purpose."""


class EngineUnavailable(MidspanError):  # noqa: N818  the field's own word
    """The engine is not running, cannot be reached, or went away while we waited."""


class ProtocolMismatch(MidspanError):  # noqa: N818
    """The other end speaks another version of the protocol, or not this protocol."""


class RequestRejected(MidspanError):  # noqa: N818
    """The engine understood the request and refused it; `code` says why."""

    def __init__(self, code: RejectionCode, message: str) -> None:
        super().__init__(message)
        self.code: RejectionCode = code


class _Message(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """Base of everything that crosses the socket."""


class Hello(_Message, frozen=True, kw_only=True, tag="hello"):
    """First frame of a client. `token` is asked for on TCP only."""

    protocol: int = PROTOCOL_VERSION
    client: str = ""
    token: str | None = None


class Welcome(_Message, frozen=True, kw_only=True, tag="welcome"):
    """First frame of the engine."""

    protocol: int = PROTOCOL_VERSION
    engine: str = ""
    pid: int = 0


class Snippet(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of another file that may help; the most relevant comes last (nearest the cursor)."""

    path: str
    text: str


class InfillRequest(_Message, frozen=True, kw_only=True, tag="infill"):
    """Fill the hole between `prefix` and `suffix`.

    Attributes:
        id: Unique within the connection; names the request in answers and in `Cancel`.
        session: One document in one editor. Its context cache is kept between requests, and a new
            request of a session ends the one before it.
        document_version: Returned as it came, so that the client can drop stale answers.
        language: LSP language identifier, "" when unknown.
        path: As the model may see it, relative to the workspace.
        prefix: Text before the hole, already cut to what is worth reading.
        suffix: Text after the hole, likewise.
        draft: The text that stands in the hole now, or a guess of it; "" for none. Only a starting
            point: with effort `verified` it changes the speed and never the result.
        snippets: Other text of use, most relevant last.
        scope: `line` ends at the first line break. `block` ends at the first line that is indented
            less than `block_indent` columns.
        block_indent: Columns (a tab counts to the next multiple of 4); read for `block` only.
        max_tokens: Upper bound for each alternative.
        stop: Strings that end the span; they are not part of it.
        n: Alternatives wanted. The first is the greedy one, or the likeliest of the others where
            that is no use to anybody: blank, or the line that follows anyway.
        effort: `verified` gives exactly what token-by-token decoding gives, in fewer passes.
            `balanced` also keeps guesses that the model finds nearly as likely as its own choice:
            fewer passes still, and now and then another text. `draft` fills masks by the adapter
            alone: fewest checks and the worst text; without an adapter it is `verified`.
        steps: For `draft`: passes to fill a block of masks in, 1 being the fastest and worst; None
            lets confidence decide.
        budget_ms: Time after which the engine returns the best it has; None for no limit.
    """

    id: int
    session: str
    document_version: int = 0
    language: str = ""
    path: str = ""
    prefix: str
    suffix: str = ""
    draft: str = ""
    snippets: tuple[Snippet, ...] = ()
    scope: Scope = "line"
    block_indent: int = 0
    max_tokens: int = 64
    stop: tuple[str, ...] = ()
    n: int = 1
    effort: Effort = "verified"
    steps: int | None = None
    budget_ms: int | None = None
    stream: bool = False


class Cancel(_Message, frozen=True, kw_only=True, tag="cancel"):
    """Stop working on request `id`. It is answered with an `Infill` that has no choices."""

    id: int


class StatusQuery(_Message, frozen=True, kw_only=True, tag="status?"):
    """Ask for an `EngineStatus` now; the engine also sends one whenever its state changes."""


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


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """One filled span.

    Attributes:
        text: What goes into the hole.
        finish: Why it ended.
        confidence: Probability, calibrated on held-out tasks, that this is what was wanted.
        mean_logprob: Mean natural log-probability of the span's tokens.
        suffix_logprob: Mean natural log-probability of the first suffix tokens after the span; 0
            where there is no suffix or it was not measured (one answer was asked for).
    """

    text: str
    finish: Finish
    confidence: float
    mean_logprob: float
    suffix_logprob: float = 0.0


class Partial(_Message, frozen=True, kw_only=True, tag="partial"):
    """Text committed so far, sent only where the request asked for `stream`."""

    id: int
    text: str


class Infill(_Message, frozen=True, kw_only=True, tag="infilled"):
    """The answer. No choices: cancelled, or overtaken by a newer request of the session."""

    id: int
    document_version: int
    choices: tuple[Choice, ...] = ()
    stats: DecodeStats = DecodeStats()


class Failure(_Message, frozen=True, kw_only=True, tag="failure"):
    """Request `id` was refused; 0 when the connection itself is."""

    id: int
    code: RejectionCode
    message: str


class EngineStatus(_Message, frozen=True, kw_only=True, tag="status"):
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


ClientMessage = Hello | InfillRequest | Cancel | StatusQuery
EngineMessage = Welcome | Partial | Infill | Failure | EngineStatus

_encoder = msgspec.msgpack.Encoder()
_client_decoder: msgspec.msgpack.Decoder[ClientMessage] = msgspec.msgpack.Decoder(ClientMessage)
_engine_decoder: msgspec.msgpack.Decoder[EngineMessage] = msgspec.msgpack.Decoder(EngineMessage)


def encode(message: ClientMessage | EngineMessage) -> bytes:
    """Return `message` as one frame, length included.

    Raises:
        RequestRejected: the message is larger than `MAX_FRAME_BYTES`.
        UnicodeEncodeError: a text holds a lone surrogate, which no file can.
    """
    body = _encoder.encode(message)
    if len(body) > MAX_FRAME_BYTES:
        raise RequestRejected("too_large", f"the message has {len(body)} bytes; at most 16 MiB")
    return len(body).to_bytes(4, "big") + body


def frame_length(header: bytes) -> int:
    """Return the body length that a 4-byte header announces.

    Raises:
        ProtocolMismatch: the length is beyond `MAX_FRAME_BYTES`, so this is not our protocol.
    """
    length = int.from_bytes(header, "big")
    if length > MAX_FRAME_BYTES:
        raise ProtocolMismatch(f"a frame of {length} bytes was announced; the limit is 16 MiB")
    return length


def decode_client(body: bytes) -> ClientMessage:
    """Decode a frame's body that a client sent.

    Raises:
        ProtocolMismatch: not a message that a client sends; the text names the field.
    """
    try:
        return _client_decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ProtocolMismatch(f"malformed message: {error}") from error


def decode_engine(body: bytes) -> EngineMessage:
    """Decode a frame's body that the engine sent.

    Raises:
        ProtocolMismatch: not a message that the engine sends; the text names the field.
    """
    try:
        return _engine_decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ProtocolMismatch(f"malformed message: {error}") from error


def state_directory() -> Path:
    """Folder for logs, counters and the lock; `MIDSPAN_STATE` overrides the platform's choice."""
    chosen = os.environ.get("MIDSPAN_STATE")
    return Path(chosen) if chosen else Path(platformdirs.user_state_dir("midspan", appauthor=False))


def socket_path() -> Path:
    """Where the user's engine listens; `MIDSPAN_SOCKET` overrides.

    Unix socket paths are limited to about 100 bytes, so a long runtime folder gives way to a short
    one under the temporary folder that only this user can enter.
    """
    chosen = os.environ.get("MIDSPAN_SOCKET")
    if chosen:
        return Path(chosen)
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime and Path(runtime).is_dir() and len(os.fsencode(runtime)) <= _LONGEST_RUNTIME_FOLDER:
        return Path(runtime) / "midspan" / "engine.sock"
    return Path(tempfile.gettempdir()) / f"midspan-{os.getuid()}" / "engine.sock"
