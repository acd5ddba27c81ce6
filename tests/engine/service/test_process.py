"""The real resident process over its real socket, with the tiny network."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from midspan_engine import protocol
from midspan_engine.protocol import (
    Cancel,
    Edited,
    EditRequest,
    EngineStatus,
    Failure,
    Hello,
    Infill,
    InfillRequest,
    MidspanError,
    Partial,
    PastEdit,
    StatusQuery,
    Welcome,
)
from midspan_engine.service.process import EngineConfig, load_engine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Start = Callable[..., "Engine"]

PATIENCE_S = 60.0


class Client:
    """One connection, blocking."""

    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(PATIENCE_S)
        try:
            self.socket.connect(str(path))
        except OSError:
            self.socket.close()
            raise

    def send(self, message: Any) -> None:
        self.socket.sendall(protocol.encode(message))

    def receive(self) -> Any:
        return protocol.decode_engine(self._exactly(protocol.frame_length(self._exactly(4))))

    def wait_for(self, kind: type, number: int | None = None) -> Any:
        while True:
            message = self.receive()
            if isinstance(message, kind) and number in {None, getattr(message, "id", None)}:
                return message

    def ready(self) -> Client:
        self.send(Hello(client="test"))
        assert isinstance(self.receive(), Welcome)
        while True:
            status = self.wait_for(EngineStatus)
            assert status.state != "failed", status.message
            if status.state == "ready":
                return self

    def close(self) -> None:
        self.socket.close()

    def _exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            piece = self.socket.recv(count - len(data))
            if not piece:
                raise EOFError
            data += piece
        return data


class Engine:
    """A resident process."""

    def __init__(self, model: str, path: Path, *options: str) -> None:
        command = [sys.executable, "-m", "midspan_engine", "--model", model, "--cache-mb", "8"]
        self.path = path
        self.clients: list[Client] = []
        self.process = subprocess.Popen(
            [*command, "--socket", str(path), *options], stderr=subprocess.PIPE, text=True
        )

    def connect(self) -> Client:
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                self.clients.append(Client(self.path))
            except (FileNotFoundError, ConnectionRefusedError):
                assert self.process.poll() is None, self.errors()
                assert time.monotonic() < deadline
                time.sleep(0.02)
            else:
                return self.clients[-1]

    def errors(self) -> str:
        assert self.process.stderr is not None
        return self.process.stderr.read()

    def wait(self) -> int:
        return self.process.wait(PATIENCE_S)


@pytest.fixture
def start(tiny_folder: Path, tmp_path: Path) -> Iterator[Start]:
    engines: list[Engine] = []

    def make(*options: str, model: str | None = None, name: str = "s/e.sock") -> Engine:
        engines.append(Engine(model or str(tiny_folder), tmp_path / name, *options))
        return engines[-1]

    yield make
    for engine in engines:
        for client in engine.clients:
            client.close()
        engine.process.kill()
        engine.process.wait()
        assert engine.process.stderr is not None
        engine.process.stderr.close()


def ask(number: int, **changes: Any) -> InfillRequest:
    values: dict[str, Any] = {"session": "a", "prefix": "def load(", "scope": "block"}
    return InfillRequest(id=number, **{**values, "max_tokens": 16, **changes})


def test_a_request_is_answered_over_the_socket(start: Start) -> None:
    client = start().connect().ready()
    client.send(ask(5, document_version=3, stream=True))
    first = client.receive()
    assert isinstance(first, Partial)
    answer = client.wait_for(Infill)
    assert (answer.id, answer.document_version) == (5, 3)
    assert answer.choices[0].text.startswith(first.text)
    assert answer.stats.passes > 0


def rewrite(number: int, **changes: Any) -> EditRequest:
    values: dict[str, Any] = {"session": "e", "region": "def load(name):\n    return name\n"}
    history = (PastEdit(path="a.py", diff="-load(x)\n+load(name)\n"),)
    return EditRequest(id=number, history=history, **{**values, "max_tokens": 16, **changes})


def test_an_edit_is_answered_over_the_socket_beside_a_completion(start: Start) -> None:
    client = start().connect().ready()
    client.send(rewrite(1, document_version=3))
    client.send(ask(2))
    messages = [client.receive(), client.receive()]
    edited = next(message for message in messages if isinstance(message, Edited))
    assert (edited.id, edited.document_version) == (1, 3)
    assert edited.finish in {"edit", "no_edit", "length"}
    assert 0.0 <= edited.edit_probability <= 1.0
    assert edited.stats.passes > 0
    assert any(isinstance(message, Infill) and message.choices for message in messages)


def test_a_cancelled_edit_says_so(start: Start) -> None:
    client = start().connect().ready()
    client.send(rewrite(1, max_tokens=512, document_version=9))
    client.send(Cancel(id=1))
    answer = client.wait_for(Edited)
    assert (answer.id, answer.document_version, answer.finish) == (1, 9, "cancelled")


def test_a_region_that_is_too_long_is_refused_by_name(start: Start) -> None:
    client = start().connect().ready()
    client.send(rewrite(4, region="x = 1\n" * 1000))
    answer = client.wait_for(Failure)
    assert (answer.id, answer.code) == (4, "too_large")
    assert "region" in answer.message


def test_the_socket_is_for_its_user_alone(start: Start) -> None:
    engine = start()
    engine.connect().ready()
    assert stat.S_IMODE(engine.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(engine.path.parent.stat().st_mode) == 0o700


def test_a_folder_that_others_can_write_to_is_refused(start: Start, tmp_path: Path) -> None:
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(0o777)
    engine = start(name="open/e.sock")
    assert engine.wait() == 1
    assert "chmod 700" in engine.errors()


def test_a_second_engine_for_the_same_socket_leaves(start: Start) -> None:
    first = start()
    client = first.connect().ready()
    second = start()
    assert second.wait() == 0
    client.send(ask(1))
    assert client.wait_for(Infill).choices


def test_an_engine_starts_over_the_socket_of_a_killed_one(start: Start) -> None:
    first = start()
    first.connect().ready()
    first.process.kill()
    first.wait()
    assert first.path.exists()
    client = start().connect().ready()
    client.send(ask(1))
    assert client.wait_for(Infill).choices


def test_another_protocol_version_is_told_what_to_do(start: Start) -> None:
    client = start().connect()
    client.send(Hello(protocol=99))
    answer = client.receive()
    assert isinstance(answer, Failure)
    assert "update the editor side" in answer.message
    with pytest.raises(EOFError):
        client.receive()


@pytest.mark.parametrize(
    "junk", [b"GET / HTTP/1.1\r\n\r\n", b"\x00\x00\x00\x02\xff\xff", b"\x00\x00\x00\x09{}"]
)
def test_junk_ends_only_the_connection_that_sent_it(start: Start, junk: bytes) -> None:
    engine = start()
    good = engine.connect().ready()
    bad = engine.connect()
    bad.socket.sendall(junk)
    bad.close()
    good.send(ask(1))
    assert good.wait_for(Infill).choices


def test_a_cancelled_request_is_answered_without_choices(start: Start) -> None:
    client = start().connect().ready()
    client.send(ask(1, max_tokens=512))
    client.send(Cancel(id=1))
    assert client.wait_for(Infill, 1).choices == ()
    client.send(ask(2))
    assert client.wait_for(Infill, 2).choices


def test_clients_have_sessions_of_their_own(start: Start) -> None:
    engine = start()
    clients = [engine.connect().ready() for _ in range(3)]
    for client in clients:
        client.send(ask(1))
    texts = {client.wait_for(Infill, 1).choices[0].text for client in clients}
    assert len(texts) == 1, "the same session name of another client ended nobody's request"


def test_a_refusal_names_the_field(start: Start) -> None:
    client = start().connect().ready()
    client.send(ask(4, n=0))
    answer = client.wait_for(Failure)
    assert (answer.id, answer.code) == (4, "bad_request")
    assert "n must be" in answer.message


def test_a_client_that_leaves_takes_its_requests_along(start: Start) -> None:
    engine = start()
    gone = engine.connect().ready()
    gone.send(ask(1, max_tokens=512))
    gone.close()
    client = engine.connect().ready()
    client.send(ask(1))
    assert client.wait_for(Infill).choices
    client.send(StatusQuery())
    status = client.wait_for(EngineStatus)
    assert (status.sessions, status.queued) == (1, 0)
    assert status.resident_bytes > 10_000_000


def test_sigterm_finishes_what_is_in_flight(start: Start) -> None:
    engine = start()
    client = engine.connect().ready()
    client.send(ask(1, max_tokens=64))
    client.send(StatusQuery())
    client.wait_for(EngineStatus)
    engine.process.send_signal(signal.SIGTERM)
    assert client.wait_for(Infill, 1).choices
    assert engine.wait() == 0
    assert not engine.path.exists()


def test_an_unused_engine_leaves(start: Start) -> None:
    engine = start("--idle-minutes", "0.02")
    engine.connect().ready()
    assert engine.wait() == 0
    assert not engine.path.exists()


def test_without_weights_the_embedded_model_answers_and_says_how_to_get_better(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MIDSPAN_CACHE", str(tmp_path / "empty"))
    client = start(model="midspan-0.5b").connect().ready()
    client.send(ask(1, prefix="import o"))
    answer = client.wait_for(Infill)
    assert answer.stats.passes > 0
    client.send(StatusQuery())
    status = client.wait_for(EngineStatus)
    assert (status.state, status.model) == ("ready", "midspan-nano")
    assert "midspan pull" in status.message


def test_a_model_that_was_asked_for_and_is_not_here_is_reported_with_what_to_do(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MIDSPAN_CACHE", str(tmp_path / "empty"))
    engine = start(model="somebody/model")
    client = engine.connect()
    client.send(Hello())
    client.wait_for(Welcome)
    client.send(ask(1))
    answer = client.wait_for(Failure)
    assert answer.code == "not_ready"
    assert "midspan pull" in answer.message
    client.send(StatusQuery())
    assert client.wait_for(EngineStatus).state == "failed"
    assert engine.wait() == 0, "it leaves, so that the next request tries again"


def test_an_adapter_for_next_edits_that_is_none_is_refused_at_the_start(
    tiny_folder: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "edits.safetensors"
    broken.write_bytes(b"no adapter")
    config = EngineConfig(model=str(tiny_folder), socket=tmp_path / "s", edits=str(broken))
    with pytest.raises(MidspanError, match=r"edits\.safetensors is missing or damaged"):
        load_engine(config, lambda _share, _what: None)


def test_no_source_text_is_logged(start: Start) -> None:
    engine = start("--verbose")
    client = engine.connect().ready()
    client.send(ask(1, prefix="secret_word = "))
    client.wait_for(Infill)
    engine.process.send_signal(signal.SIGTERM)
    engine.wait()
    log = engine.errors()
    assert "listening" in log
    assert "secret_word" not in log


def test_the_environment_chooses_the_socket(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MIDSPAN_SOCKET", raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert protocol.socket_path() == tmp_path / "midspan" / "engine.sock"
    deep = tmp_path / ("x" * 90)
    deep.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(deep))
    assert len(os.fsencode(protocol.socket_path())) < 100
    monkeypatch.setenv("MIDSPAN_SOCKET", str(tmp_path / "own.sock"))
    assert protocol.socket_path() == tmp_path / "own.sock"


def test_stop_ends_the_running_engine(start: Start) -> None:
    engine = start()
    engine.connect().ready()
    command = [sys.executable, "-m", "midspan_engine", "--stop", "--socket", str(engine.path)]
    first = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "has left" in first.stdout
    assert engine.wait() == 0
    second = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "no engine is running" in second.stdout
