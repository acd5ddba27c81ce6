from __future__ import annotations

import importlib.util
import sys
import time
from typing import TYPE_CHECKING

import pytest

from midspan_engine.protocol import EngineUnavailable
from midspan_server import engine_launcher
from midspan_server.engine_launcher import EngineLauncher, log_path

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIDSPAN_STATE", str(tmp_path / "state"))


def _launcher(tmp_path: Path, program: str) -> EngineLauncher:
    return EngineLauncher(tmp_path / "engine.sock", command=(sys.executable, "-c", program))


def _until(happened: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_the_engine_is_told_its_socket_and_does_not_run_in_the_users_folder(
    tmp_path: Path,
) -> None:
    program = "import os; open(os.environ['MIDSPAN_SOCKET'] + '.seen', 'w').write(os.getcwd())"
    launcher = _launcher(tmp_path, program)
    launcher.start()
    assert launcher._process is not None
    launcher._process.wait(20)
    assert (tmp_path / "engine.sock.seen").read_text() == "/"


def test_a_failure_tells_the_last_words_and_where_the_rest_is(tmp_path: Path) -> None:
    launcher = _launcher(tmp_path, "import sys; sys.exit('first\\nno weights')")
    assert launcher.failure() is None
    launcher.start()
    _until(launcher.failure)
    failure = launcher.failure()
    assert failure is not None
    assert "no weights" in failure
    assert "first" not in failure
    assert str(log_path()) in failure


def test_giving_way_to_another_engine_is_no_failure(tmp_path: Path) -> None:
    launcher = _launcher(tmp_path, "print('another one serves')")
    launcher.start()
    assert launcher._process is not None
    launcher._process.wait(20)
    assert launcher.failure() is None


def test_a_running_engine_is_not_started_again(tmp_path: Path) -> None:
    launcher = _launcher(tmp_path, "import time; time.sleep(60)")
    launcher.start()
    first = launcher._process
    assert first is not None
    launcher.start()
    try:
        assert launcher._process is first
    finally:
        first.kill()
        first.wait()


def test_a_command_that_is_not_there_is_reported(tmp_path: Path) -> None:
    launcher = EngineLauncher(tmp_path / "engine.sock", command=("midspan-no-such-command",))
    with pytest.raises(EngineUnavailable, match="could not be started"):
        launcher.start()


def test_a_missing_extra_is_reported_with_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(EngineUnavailable, match=r"pip install 'midspan\[engine\]'"):
        EngineLauncher(tmp_path / "engine.sock").start()


def test_the_log_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_launcher, "_LOG_LIMIT_BYTES", 10)
    log_path().parent.mkdir(parents=True)
    log_path().write_text("a long story of yesterday")
    launcher = _launcher(tmp_path, "import sys; sys.stderr.write('new')")
    launcher.start()
    assert launcher._process is not None
    launcher._process.wait(20)
    assert log_path().read_text() == "new"
    assert log_path().with_suffix(".log.1").read_text() == "a long story of yesterday"


def test_a_state_folder_that_cannot_be_written_loses_the_log_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MIDSPAN_STATE", str(tmp_path / "file" / "state"))
    launcher = _launcher(tmp_path, "import sys; sys.exit('gone')")
    launcher.start()
    _until(launcher.failure)
    assert "no message" in str(launcher.failure())
