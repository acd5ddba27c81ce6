from __future__ import annotations

import argparse
import contextlib
import socket
import threading
from typing import TYPE_CHECKING

import pytest

from midspan_engine.commands import doctor, doctor_engine, doctor_machine
from midspan_engine.commands.doctor_machine import Finding
from midspan_engine.protocol import (
    EngineStatus,
    Hello,
    StatusQuery,
    Welcome,
    decode_client,
    encode,
    frame_length,
)
from midspan_engine.service import probe

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Serve = Callable[..., None]


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIDSPAN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("MIDSPAN_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("MIDSPAN_SOCKET", str(tmp_path / "e.sock"))
    monkeypatch.setattr(probe, "_TIMEOUT_S", 0.3)


@pytest.fixture
def serve(tmp_path: Path) -> Serve:
    """Answer one connection with the given bytes, after what a doctor asks."""

    def start(answer: bytes, asked: list[object] | None = None) -> None:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(tmp_path / "e.sock"))
        listener.listen()

        def run() -> None:
            with listener, listener.accept()[0] as channel:
                for _ in range(2):
                    body = channel.recv(frame_length(channel.recv(4)))
                    if asked is not None:
                        asked.append(decode_client(body))
                channel.sendall(answer)
                _drain(channel)  # until the doctor has gone

        threading.Thread(target=run, daemon=True).start()

    return start


def _drain(channel: socket.socket) -> None:
    with contextlib.suppress(ConnectionResetError):
        channel.recv(1)


def _run(*given: str) -> int:
    parser = argparse.ArgumentParser()
    doctor.add_arguments(parser)
    return doctor.run(parser.parse_args(given))


def test_a_missing_model_is_a_warning_that_says_what_answers_and_what_to_run(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert _run() == 0
    shown = capsys.readouterr().out
    assert "midspan-0.5b is not here" in shown
    assert "midspan-nano answers" in shown
    assert "-> midspan pull midspan-0.5b" in shown


def test_another_model_that_is_missing_fails_and_says_what_to_run(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert _run("--model", "owner/model") == 1
    shown = capsys.readouterr().out
    assert "-> midspan pull owner/model" in shown
    assert "something that is needed fails" in shown


def test_the_report_fits_on_one_screen(capsys: pytest.CaptureFixture[str]) -> None:
    _run()
    assert len(capsys.readouterr().out.splitlines()) <= 24


def test_warnings_alone_are_no_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    finding = Finding(grade="warn", subject="memory", found="little", remedy="close something")
    monkeypatch.setattr(doctor, "_findings", lambda _model: iter([finding]))
    assert _run() == 0
    assert "everything that is needed works" in capsys.readouterr().out


def test_this_machine_has_what_the_tests_need() -> None:
    assert doctor_machine.python().grade == "ok"
    assert doctor_machine.grammars().grade == "ok"
    assert [finding.grade for finding in doctor_machine.packages()] == ["ok", "ok"]
    assert "GB" in doctor_machine.memory().found


def test_little_memory_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor_machine, "_available_memory", lambda: 1_000_000_000)
    assert doctor_machine.memory().grade == "fail"
    monkeypatch.setattr(doctor_machine, "_available_memory", lambda: 3_000_000_000)
    assert doctor_machine.memory().grade == "warn"


def test_a_processor_without_int8_products_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor_machine, "_processor_flags", lambda: frozenset({"avx2"}))
    assert doctor_machine.processor().grade == "warn"
    monkeypatch.setattr(doctor_machine, "_processor_flags", lambda: frozenset({"avx512_vnni"}))
    assert doctor_machine.processor().grade == "ok"
    monkeypatch.setattr(doctor_machine, "_processor_flags", frozenset[str])
    assert doctor_machine.processor().grade == "ok"


def test_missing_packages_name_the_extra_that_brings_them(monkeypatch: pytest.MonkeyPatch) -> None:
    required = ["msgspec>=0.20", 'midspan-test-absent>=1 ; extra == "engine"', "x; extra == 'test'"]
    monkeypatch.setattr("importlib.metadata.requires", lambda _: required)
    base, engine = doctor_machine.packages()
    assert base.grade == "ok"
    assert base.found.startswith("msgspec ")
    assert engine.grade == "fail"
    assert engine.found == "missing: midspan-test-absent"
    assert engine.remedy == "pip install 'midspan[engine]'"


def test_a_grammar_that_does_not_load_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    required = ["tree-sitter-python", "tree-sitter-midspan-absent"]
    monkeypatch.setattr("importlib.metadata.requires", lambda _: required)
    finding = doctor_machine.grammars()
    assert finding.grade == "fail"
    assert "tree-sitter-midspan-absent" in finding.found
    assert "tree-sitter-python" not in finding.found


def test_a_folder_that_cannot_be_written_fails(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file is in the way")
    finding = doctor_engine.cache_folder()
    assert finding.grade == "fail"
    assert "MIDSPAN_CACHE" in finding.remedy
    assert doctor_engine.state_folder().grade == "ok"


def test_an_engine_that_is_not_running_is_no_fault() -> None:
    finding = doctor_engine.engine()
    assert finding.grade == "ok"
    assert "not running" in finding.found


def test_a_running_engine_is_asked_how_it_is(serve: Serve) -> None:
    asked: list[object] = []
    status = EngineStatus(state="ready", model="tiny", runtime="torch", resident_bytes=7_000_000)
    early = EngineStatus(state="ready", model="tiny", runtime="torch", resident_bytes=7_000_000)
    serve(encode(Welcome(engine="x")) + encode(early) + encode(status), asked)
    finding = doctor_engine.engine()
    assert finding.grade == "ok"
    assert "ready, tiny, torch, 7 MB" in finding.found
    assert [type(message) for message in asked] == [Hello, StatusQuery]


def test_an_engine_that_failed_gives_its_reason(serve: Serve) -> None:
    serve(encode(Welcome()) + encode(EngineStatus(state="failed", message="no weights")))
    finding = doctor_engine.engine()
    assert (finding.grade, finding.remedy) == ("fail", "no weights")


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", encode(Welcome())])
def test_an_engine_that_does_not_answer_fails(serve: Serve, answer: bytes) -> None:
    serve(answer)
    finding = doctor_engine.engine()
    assert finding.grade == "fail"
    assert "does not answer" in finding.found
