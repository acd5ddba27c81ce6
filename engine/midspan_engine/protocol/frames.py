"""Messages to frames and back."""

from __future__ import annotations

import msgspec

from midspan_engine.protocol.answers import EngineMessage
from midspan_engine.protocol.errors import ProtocolMismatch, RequestRejected
from midspan_engine.protocol.requests import ClientMessage

MAX_FRAME_BYTES = 16 * 1024 * 1024

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
