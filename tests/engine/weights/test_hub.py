from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING, Any

import pytest

from midspan_engine.weights import hub as hub_module
from midspan_engine.weights.errors import ChecksumMismatch, DownloadFailed, WeightsUnusable
from midspan_engine.weights.progress import Silent

if TYPE_CHECKING:
    from pathlib import Path

REPOSITORY = "maker/tiny-GGUF"
CONTENT = bytes(range(256)) * 4096


def test_a_file_arrives_whole_and_its_bar_is_full(hub: Any, tmp_path: Path, notes: Any) -> None:
    digest = hub.add(REPOSITORY, "a.gguf", CONTENT)
    hub_module.fetch_file(REPOSITORY, "a.gguf", tmp_path / "a.gguf", notes, digest)
    assert (tmp_path / "a.gguf").read_bytes() == CONTENT
    assert notes.done["a.gguf"] == notes.totals["a.gguf"] == len(CONTENT)
    assert [path.name for path in tmp_path.iterdir()] == ["a.gguf"]


def test_an_earlier_attempt_is_resumed_where_it_stopped(hub: Any, tmp_path: Path) -> None:
    digest = hub.add(REPOSITORY, "a.gguf", CONTENT)
    (tmp_path / "a.gguf.partial").write_bytes(CONTENT[:700_000])
    hub_module.fetch_file(REPOSITORY, "a.gguf", tmp_path / "a.gguf", Silent(), digest)
    assert (tmp_path / "a.gguf").read_bytes() == CONTENT
    assert [asked for _, asked in hub.requests] == ["bytes=700000-"]


def test_a_whole_partial_file_is_only_checked(hub: Any, tmp_path: Path) -> None:
    digest = hub.add(REPOSITORY, "a.gguf", CONTENT)
    (tmp_path / "a.gguf.partial").write_bytes(CONTENT)
    hub_module.fetch_file(REPOSITORY, "a.gguf", tmp_path / "a.gguf", Silent(), digest)
    assert (tmp_path / "a.gguf").read_bytes() == CONTENT


def test_connections_that_break_off_are_taken_up_again(hub: Any, tmp_path: Path) -> None:
    digest = hub.add(REPOSITORY, "a.gguf", CONTENT)
    hub.break_after = [300_000, 300_000]
    hub_module.fetch_file(REPOSITORY, "a.gguf", tmp_path / "a.gguf", Silent(), digest)
    assert (tmp_path / "a.gguf").read_bytes() == CONTENT
    assert len(hub.requests) == 3
    assert all(asked for _, asked in hub.requests[1:])


def test_what_came_before_the_last_break_is_kept(hub: Any, tmp_path: Path) -> None:
    digest = hub.add(REPOSITORY, "a.gguf", CONTENT)
    hub.break_after = [100_000] * 4 + [0] * 3
    with pytest.raises(DownloadFailed, match="run the command again"):
        hub_module.fetch_file(REPOSITORY, "a.gguf", tmp_path / "a.gguf", Silent(), digest)
    kept = (tmp_path / "a.gguf.partial").read_bytes()
    assert CONTENT.startswith(kept)
    assert len(kept) == 400_000
    assert not (tmp_path / "a.gguf").exists()


def test_a_server_without_ranges_starts_again(hub: Any, tmp_path: Path) -> None:
    hub.knows_ranges = False
    digest = hub.add(REPOSITORY, "a.gguf", CONTENT)
    (tmp_path / "a.gguf.partial").write_bytes(CONTENT[:5])
    hub_module.fetch_file(REPOSITORY, "a.gguf", tmp_path / "a.gguf", Silent(), digest)
    assert (tmp_path / "a.gguf").read_bytes() == CONTENT


def test_a_wrong_sum_removes_the_file_and_says_so(hub: Any, tmp_path: Path) -> None:
    hub.add(REPOSITORY, "a.gguf", CONTENT)
    with pytest.raises(ChecksumMismatch, match=r"has the sum .* It was removed"):
        hub_module.fetch_file(REPOSITORY, "a.gguf", tmp_path / "a.gguf", Silent(), "0" * 64)
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_announced_sum_is_reported_before_the_download(hub: Any, tmp_path: Path) -> None:
    digest = hub.add(REPOSITORY, "a.gguf", CONTENT)
    hub.announced[f"/{REPOSITORY}/resolve/main/a.gguf"] = "f" * 64
    with pytest.raises(ChecksumMismatch, match="the hub announces the sum ffff"):
        hub_module.fetch_file(REPOSITORY, "a.gguf", tmp_path / "a.gguf", Silent(), digest)
    assert list(tmp_path.iterdir()) == []


def test_the_announced_sum_is_checked_where_none_is_pinned(hub: Any, tmp_path: Path) -> None:
    hub.add(REPOSITORY, "a.gguf", CONTENT)
    hub.announced[f"/{REPOSITORY}/resolve/main/a.gguf"] = "f" * 64
    with pytest.raises(ChecksumMismatch, match="It was removed"):
        hub_module.fetch_file(REPOSITORY, "a.gguf", tmp_path / "a.gguf", Silent())


def test_no_hub_is_noticed_quickly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{taken.getsockname()[1]}")
        monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
        begun = time.monotonic()
        with pytest.raises(DownloadFailed, match="cannot be reached"):
            hub_module.fetch_file(REPOSITORY, "a.gguf", tmp_path / "a.gguf", Silent())
        assert time.monotonic() - begun < 6


def test_offline_mode_asks_nobody(
    hub: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(DownloadFailed, match="HF_HUB_OFFLINE"):
        hub_module.fetch_file(REPOSITORY, "a.gguf", tmp_path / "a.gguf", Silent())
    assert hub.requests == []


def test_a_missing_file_is_named(hub: Any, tmp_path: Path) -> None:
    with pytest.raises(DownloadFailed, match=r"a\.gguf does not exist"):
        hub_module.fetch_file(REPOSITORY, "a.gguf", tmp_path / "a.gguf", Silent())
    assert hub.requests


def test_a_repository_comes_with_all_its_shards(hub: Any, tmp_path: Path) -> None:
    names = ["config.json", "tokenizer.json", "model-1.safetensors", "model-2.safetensors"]
    for name in names:
        hub.add(REPOSITORY, name, name.encode())
    index = b'{"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}'
    hub.add(REPOSITORY, "model.safetensors.index.json", index)
    hub_module.fetch_folder(REPOSITORY, tmp_path / "m", Silent())
    found = {path.name for path in (tmp_path / "m").iterdir()}
    assert found == {*names, "model.safetensors.index.json"}


def test_a_repository_without_an_index_has_one_file(hub: Any, tmp_path: Path) -> None:
    for name in ("config.json", "tokenizer.json", "model.safetensors"):
        hub.add(REPOSITORY, name, name.encode())
    hub_module.fetch_folder(REPOSITORY, tmp_path / "m", Silent())
    assert (tmp_path / "m" / "model.safetensors").read_bytes() == b"model.safetensors"


def test_all_of_a_tokenizers_files_are_fetched(hub: Any, tmp_path: Path) -> None:
    marks = ("added_tokens.json", "tokenizer_config.json", "special_tokens_map.json")
    older = ("vocab.json", "merges.txt")
    for name in ("config.json", "model.safetensors", *marks, *older):
        hub.add(REPOSITORY, name, name.encode())
    hub_module.fetch_folder(REPOSITORY, tmp_path / "m", Silent())
    assert {path.name for path in (tmp_path / "m").iterdir()} >= {*marks, *older}


def test_the_older_files_of_a_tokenizer_are_left_where_there_is_the_newer(
    hub: Any, tmp_path: Path
) -> None:
    for name in ("config.json", "tokenizer.json", "model.safetensors", "vocab.json", "merges.txt"):
        hub.add(REPOSITORY, name, name.encode())
    hub_module.fetch_folder(REPOSITORY, tmp_path / "m", Silent())
    assert not (tmp_path / "m" / "vocab.json").exists()


def test_a_repository_of_pickles_is_refused(hub: Any, tmp_path: Path) -> None:
    for name in ("config.json", "tokenizer.json", "pytorch_model.bin"):
        hub.add(REPOSITORY, name, name.encode())
    with pytest.raises(DownloadFailed, match=r"safetensors and GGUF only"):
        hub_module.fetch_folder(REPOSITORY, tmp_path / "m", Silent())
    assert not (tmp_path / "m" / "pytorch_model.bin").exists()


def test_an_index_cannot_lead_out_of_the_folder(hub: Any, tmp_path: Path) -> None:
    for name in ("config.json", "tokenizer.json"):
        hub.add(REPOSITORY, name, b"{}")
    hub.add(REPOSITORY, "model.safetensors.index.json", b'{"weight_map": {"a": "../../evil"}}')
    with pytest.raises(WeightsUnusable, match="do not use this model"):
        hub_module.fetch_folder(REPOSITORY, tmp_path / "m", Silent())
    assert not (tmp_path / "m" / "model.safetensors.index.json").exists()
