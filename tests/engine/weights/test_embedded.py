"""The model that comes with the package, and when it answers."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from midspan_engine import weights
from midspan_engine.service import process
from midspan_engine.weights import embedded
from midspan_engine.weights.errors import WeightsMissing, WeightsUnusable

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def shipped(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, canvas_folder: Path) -> Path:
    """A package with a tiny model in it, on a machine without any other."""
    folder = tmp_path / "nano"
    shutil.copytree(canvas_folder, folder)
    monkeypatch.setattr(embedded, "embedded_folder", lambda: folder)
    monkeypatch.setenv("MIDSPAN_CACHE", str(tmp_path / "cache"))
    return folder


def config(tmp_path: Path, model: str, *, use_embedded: bool) -> process.EngineConfig:
    return process.EngineConfig(model=model, socket=tmp_path / "socket", use_embedded=use_embedded)


def test_its_folder_is_part_of_the_package() -> None:
    folder = embedded.embedded_folder()
    assert folder.parent.name == "midspan_engine"


def test_it_is_found_by_its_name(shipped: Path) -> None:
    assert weights.resolve(embedded.EMBEDDED_MODEL).folder == shipped
    assert embedded.embedded_model().tokenizer == shipped / "tokenizer.json"


def test_a_damaged_installation_says_so(shipped: Path) -> None:
    (shipped / "tokenizer.json").unlink()
    with pytest.raises((WeightsUnusable, WeightsMissing), match=r"tokenizer\.json"):
        embedded.embedded_model()


def test_it_stands_in_for_the_default_model_and_says_so(shipped: Path, tmp_path: Path) -> None:
    files, note = process._files(config(tmp_path, weights.DEFAULT_MODEL, use_embedded=True))
    assert files.folder == shipped
    assert "midspan pull" in note
    engine = process.load_engine(
        config(tmp_path, weights.DEFAULT_MODEL, use_embedded=True), lambda _share, _what: None
    )
    assert engine.note == note
    assert engine.model == files.name


def test_it_stands_in_for_no_other_model(shipped: Path, tmp_path: Path) -> None:
    assert shipped.is_dir()
    with pytest.raises(WeightsMissing):
        process._files(config(tmp_path, weights.DEFAULT_MODEL, use_embedded=False))
    with pytest.raises(WeightsMissing):
        process._files(config(tmp_path, "someone/else", use_embedded=True))


def test_whoever_asks_for_it_is_told_nothing(shipped: Path, tmp_path: Path) -> None:
    files, note = process._files(config(tmp_path, embedded.EMBEDDED_MODEL, use_embedded=True))
    assert (files.folder, note) == (shipped, "")
