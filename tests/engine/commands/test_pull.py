from __future__ import annotations

import argparse
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from midspan_engine import weights
from midspan_engine.commands import pull
from midspan_engine.protocol import EngineStatus, Welcome
from midspan_engine.service.probe import Probed
from midspan_engine.weights import ModelFiles
from midspan_engine.weights.progress import Silent, Terminal


def _parse(*given: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    pull.add_arguments(parser)
    return parser.parse_args(given)


@pytest.fixture(autouse=True)
def _no_engine_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pull may end a running engine."""
    monkeypatch.setenv("MIDSPAN_SOCKET", str(tmp_path / "engine.sock"))


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[tuple[Any, ...], dict[str, Any]]]:
    seen: list[tuple[tuple[Any, ...], dict[str, Any]]] = []

    def fake(*args: Any, **options: Any) -> ModelFiles:
        seen.append((args, options))
        folder = Path("/cache/models/m")
        return ModelFiles(
            name="m",
            folder=folder,
            config=folder / "config.json",
            tokenizer=folder / "tokenizer.json",
            tensors=(),
            sha256="",
            licence="",
            origin="",
            size_bytes=988_000_000,
        )

    monkeypatch.setattr(weights, "pull", fake)
    return seen


def test_without_arguments_the_default_model_is_pulled_with_progress(
    calls: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert pull.run(_parse()) == 0
    ((args, options),) = calls
    assert args == (None, None)
    assert isinstance(options["progress"], Terminal)
    assert (options["force"], options["keep_download"]) == (False, False)
    assert capsys.readouterr().out == "m is ready: /cache/models/m (988 MB)\n"


def test_every_option_reaches_the_pull(calls: list[Any]) -> None:
    pull.run(_parse("mine", "--from", "x.gguf", "--force", "--keep-download", "--quiet"))
    ((args, options),) = calls
    assert args == ("mine", Path("x.gguf"))
    assert isinstance(options["progress"], Silent)
    assert (options["force"], options["keep_download"]) == (True, True)


@pytest.mark.parametrize(
    ("model", "ended"), [("midspan-nano", [(4321, signal.SIGTERM)]), ("midspan-0.5b", [])]
)
def test_only_an_engine_with_the_embedded_model_gives_way_to_what_was_pulled(
    model: str,
    ended: list[tuple[int, int]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = Probed(Welcome(pid=4321), EngineStatus(state="ready", model=model))
    sent: list[tuple[int, int]] = []
    monkeypatch.setattr(pull, "probe", lambda _path: found)
    monkeypatch.setattr(os, "kill", lambda pid, number: sent.append((pid, number)))
    pull._relieve_embedded()
    assert sent == ended
    assert ("ends" in capsys.readouterr().out) == bool(ended)
