from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

import pytest

from midspan_engine.commands import models
from midspan_engine.weights.files import Manifest, write_manifest

if TYPE_CHECKING:
    from pathlib import Path


def _run(*given: str) -> int:
    parser = argparse.ArgumentParser()
    models.add_arguments(parser)
    return models.run(parser.parse_args(given))


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MIDSPAN_CACHE", str(tmp_path))
    return tmp_path


def _install(cache: Path, name: str) -> Path:
    folder = cache / "models" / name
    folder.mkdir(parents=True)
    for file in ("config.json", "tokenizer.json"):
        (folder / file).write_text("{}")
    (folder / "model.safetensors").write_bytes(b"\0" * 3_000_000)
    write_manifest(
        folder,
        Manifest(
            name=name,
            licence="MIT",
            origin="maker/model",
            source="path",
            detail="/somewhere",
            sha256="ab" * 32,
            size_bytes=1,
            files={"model.safetensors": 3_000_000},
        ),
    )
    return folder


def test_an_empty_cache_says_what_can_be_fetched(
    cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run() == 0
    shown = capsys.readouterr().out
    assert "midspan-nano" in shown.split("To fetch")[0]
    assert "midspan-0.5b" in shown
    assert "491 MB" in shown
    assert not (cache / "models").exists()


def test_a_model_is_shown_with_size_licence_origin_and_path(
    cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = _install(cache, "mine")
    assert _run() == 0
    shown = capsys.readouterr().out
    for expected in ("mine", "3 MB", "MIT", "maker/model", str(folder)):
        assert expected in shown


def test_a_model_that_is_here_is_not_offered(
    cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _install(cache, "midspan-0.5b")
    assert _run("--json") == 0
    listed = json.loads(capsys.readouterr().out)
    assert [model["name"] for model in listed["installed"]] == ["midspan-nano", "midspan-0.5b"]
    assert listed["installed"][1]["sha256"] == "ab" * 32
    assert listed["fetchable"] == []
