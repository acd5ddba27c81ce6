from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

import pytest

from midspan_engine.protocol import EngineUnavailable
from midspan_server import engine_socket
from midspan_server.engine_socket import check_folder, check_peer

if TYPE_CHECKING:
    from pathlib import Path


def test_a_folder_of_ours_is_trusted(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    check_folder(tmp_path / "engine.sock")


@pytest.mark.parametrize("mode", [0o770, 0o777, 0o1777])
def test_a_folder_that_others_can_write_to_is_refused(tmp_path: Path, mode: int) -> None:
    tmp_path.chmod(mode)
    with pytest.raises(EngineUnavailable, match="chmod 700"):
        check_folder(tmp_path / "engine.sock")


def test_a_folder_of_another_user_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = os.getuid() + 1
    monkeypatch.setattr(os, "getuid", lambda: other)
    with pytest.raises(EngineUnavailable, match="another user"):
        check_folder(tmp_path / "engine.sock")


def test_a_folder_that_is_not_there_means_nobody_listens(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        check_folder(tmp_path / "none" / "engine.sock")


def test_the_process_at_the_other_end_has_to_be_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX)
    with ours, theirs:
        check_peer(ours)
        monkeypatch.setattr(engine_socket, "_peer_uid", lambda _: os.getuid() + 1)
        with pytest.raises(EngineUnavailable, match="not by you"):
            check_peer(ours)
