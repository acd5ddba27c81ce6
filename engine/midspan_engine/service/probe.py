"""Asks a running engine who and how it is, from outside."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

from midspan_engine.protocol import (
    EngineStatus,
    Hello,
    ProtocolMismatch,
    StatusQuery,
    Welcome,
    decode_engine,
    encode,
    frame_length,
)

if TYPE_CHECKING:
    from pathlib import Path

    from midspan_engine.protocol import EngineMessage

_TIMEOUT_S = 1.0
_MOST_FRAMES = 8


@dataclass(frozen=True, slots=True)
class Probed:
    """The engine's first words."""

    welcome: Welcome
    status: EngineStatus


def probe(path: Path) -> Probed:
    """Connect to the socket at `path` and ask.

    Raises:
        OSError: nobody listens, or the answer does not come in time.
        ProtocolMismatch: something else than our engine listens.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as channel:
        channel.settimeout(_TIMEOUT_S)
        channel.connect(str(path))
        channel.sendall(encode(Hello(client="midspan")) + encode(StatusQuery()))
        first = _receive(channel)
        if not isinstance(first, Welcome):
            raise ProtocolMismatch(f"the first frame is a {type(first).__name__}, not a Welcome")
        for _ in range(_MOST_FRAMES):
            message = _receive(channel)
            if isinstance(message, EngineStatus):
                return Probed(first, message)
    raise ProtocolMismatch("no status came")


def _receive(channel: socket.socket) -> EngineMessage:
    return decode_engine(_exactly(channel, frame_length(_exactly(channel, 4))))


def _exactly(channel: socket.socket, count: int) -> bytes:
    parts = bytearray()
    while len(parts) < count:
        part = channel.recv(count - len(parts))
        if not part:
            raise ConnectionResetError("it closed the connection")
        parts += part
    return bytes(parts)
