"""The wire between an editor-side process and the engine.

Frames are a 4-byte big-endian length and then one msgpack map (`encode`, `frame_length`). The first
frame of a client is `Hello`, the first of the engine `Welcome`; afterwards the client sends
`InfillRequest`, `EditRequest`, `LikelihoodRequest`, `Cancel`, `StatusQuery` and the engine
`Partial`, `Infill`, `Edited`, `Likelihoods`, `Failure`, `EngineStatus`. Text travels, token ids
never do. Errors are one tree:

    MidspanError
    ├── EngineUnavailable    not running, not reachable, gone while we waited
    ├── ProtocolMismatch     the other end speaks another version, or not this protocol
    └── RequestRejected      understood and refused; `code` says why

A stale or cancelled request is no error: its result is `None`.
"""

from __future__ import annotations

from midspan_engine.protocol.answers import (
    Cell,
    CellState,
    Choice,
    DecodeStats,
    Edited,
    EditFinish,
    EngineMessage,
    EngineState,
    EngineStatus,
    Failure,
    Finish,
    Infill,
    LikelihoodFinish,
    Likelihoods,
    Partial,
    Welcome,
)
from midspan_engine.protocol.errors import (
    EngineUnavailable,
    MidspanError,
    ProtocolMismatch,
    RejectionCode,
    RequestRejected,
)
from midspan_engine.protocol.frames import (
    MAX_FRAME_BYTES,
    decode_client,
    decode_engine,
    encode,
    frame_length,
)
from midspan_engine.protocol.places import (
    socket_path,
    state_directory,
)
from midspan_engine.protocol.requests import (
    PROTOCOL_VERSION,
    Cancel,
    ClientMessage,
    EditRequest,
    Effort,
    Hello,
    InfillRequest,
    LikelihoodRequest,
    Message,
    Passage,
    PastEdit,
    Scope,
    Snippet,
    StatusQuery,
    Turn,
)

__all__ = [
    "MAX_FRAME_BYTES",
    "PROTOCOL_VERSION",
    "Cancel",
    "Cell",
    "CellState",
    "Choice",
    "ClientMessage",
    "DecodeStats",
    "EditFinish",
    "EditRequest",
    "Edited",
    "Effort",
    "EngineMessage",
    "EngineState",
    "EngineStatus",
    "EngineUnavailable",
    "Failure",
    "Finish",
    "Hello",
    "Infill",
    "InfillRequest",
    "LikelihoodFinish",
    "LikelihoodRequest",
    "Likelihoods",
    "Message",
    "MidspanError",
    "Partial",
    "Passage",
    "PastEdit",
    "ProtocolMismatch",
    "RejectionCode",
    "RequestRejected",
    "Scope",
    "Snippet",
    "StatusQuery",
    "Turn",
    "Welcome",
    "decode_client",
    "decode_engine",
    "encode",
    "frame_length",
    "socket_path",
    "state_directory",
]
