"""Whether a Unix socket can be trusted: its folder is ours, and so is the process behind it."""

from __future__ import annotations

import os
import socket
import stat
import struct
import sys
from typing import TYPE_CHECKING

from midspan_engine.protocol import EngineUnavailable

if TYPE_CHECKING:
    from pathlib import Path

_LOCAL_PEERCRED = 1
_WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH


def check_folder(path: Path) -> None:
    """Check that nobody else can put a socket at `path`.

    Raises:
        EngineUnavailable: the folder belongs to someone else or others may write to it.
        FileNotFoundError: there is no such folder.
    """
    folder = path.parent
    found = folder.stat()
    if found.st_uid != os.getuid():
        raise EngineUnavailable(
            f"{folder} belongs to another user, so the engine behind it is not trusted; "
            "set MIDSPAN_SOCKET to a path in a folder of yours"
        )
    if found.st_mode & _WRITABLE_BY_OTHERS:
        raise EngineUnavailable(
            f"{folder} can be written to by others, so the engine behind it is not trusted; "
            f"run `chmod 700 {folder}`"
        )


def check_peer(connection: socket.socket) -> None:
    """Check that the process at the other end runs as this user.

    Raises:
        EngineUnavailable: it runs as somebody else, or the system does not tell.
    """
    uid = _peer_uid(connection)
    if uid != os.getuid():
        raise EngineUnavailable(f"the engine's socket is served by user {uid}, not by you")


def _peer_uid(connection: socket.socket) -> int:
    if sys.platform == "linux":
        size = struct.calcsize("3i")
        _, uid, _ = struct.unpack(
            "3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
        )
        return int(uid)
    # macOS and the BSDs: `struct xucred` begins with a version and the user.
    credentials = connection.getsockopt(0, _LOCAL_PEERCRED, 76)
    return int(struct.unpack_from("2I", credentials)[1])
