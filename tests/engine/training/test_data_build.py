from __future__ import annotations

import io
import json
import tarfile
import zipfile
from typing import TYPE_CHECKING

import pytest

from midspan_engine.training import data_build, data_fetch
from midspan_engine.training.data_build import (
    PACKAGE_LIST,
    PINS,
    DataSettings,
    PackageRecord,
    build,
    is_held_out,
    read_package_list,
)
from midspan_engine.training.data_fetch import FetchError, Wanted, fetch, source_texts
from midspan_engine.training.data_shards import read_shard
from midspan_engine.training.licences import is_permissive
from midspan_engine.training.manifest import read_records

if TYPE_CHECKING:
    from pathlib import Path

NAMES = ("alpha", "beta", "gamma", "delta", "epsilon", "zeta")


def _module(word: str) -> str:
    return "".join(
        f"def {word}_{name}(state, {name}):\n    state.{name} = {word}\n    return {name}\n\n"
        for name in NAMES
    )


def _wheel(cache: Path, name: str, files: dict[str, str], licence: str = "MIT") -> Wanted:
    folder = cache / f"wheel-{name}"
    folder.mkdir(parents=True)
    with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w") as bundle:
        meta = f"Metadata-Version: 2.4\nName: {name}\nVersion: 1.0\nLicense-Expression: {licence}\n"
        bundle.writestr(f"{name}-1.0.dist-info/METADATA", meta)
        for path, text in files.items():
            bundle.writestr(path, text)
    return Wanted(ecosystem="wheel", name=name)


@pytest.fixture
def settings(tmp_path: Path, tiny_folder: Path) -> DataSettings:
    return DataSettings(folder=tmp_path / "data", tokenizer=tiny_folder / "tokenizer.json")


def test_packages_become_shards_and_a_manifest(settings: DataSettings) -> None:
    cache = settings.folder / "cache"
    one = _wheel(cache, "one", {"one/a.py": _module("a"), "one/b.py": _module("other")})
    two = _wheel(cache, "two", {"two/a.py": _module("a"), "two/c.py": _module("third")})
    records = build(settings, [one, two])
    assert [(r.name, r.version, r.licence, r.files) for r in records] == [
        ("one", "1.0", "MIT", 2),
        ("two", "1.0", "MIT", 1),  # a.py was in the first package
    ]
    assert len(records[0].sha256) == 64
    shard = read_shard(settings.folder / "shards" / "wheel-one.npz")
    assert shard.starts[-1] == len(shard.tokens) == records[0].tokens
    assert read_records(settings.folder / "manifest.json", PackageRecord) == records


def test_a_second_run_goes_on_where_the_first_stopped(
    settings: DataSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = settings.folder / "cache"
    one = _wheel(cache, "one", {"one/a.py": _module("a")})
    build(settings, [one])
    two = _wheel(cache, "two", {"two/a.py": _module("a"), "two/c.py": _module("third")})
    opened: list[str] = []
    real = data_fetch.fetch

    def counted(wanted: Wanted, folder: Path) -> data_fetch.Fetched:
        opened.append(wanted.name)
        return real(wanted, folder)

    monkeypatch.setattr(data_build, "fetch", counted)
    records = build(settings, [one, two])
    assert opened == ["two"]
    assert [record.files for record in records] == [1, 1]


def test_licences_that_are_not_permissive_are_left_out(settings: DataSettings) -> None:
    wanted = _wheel(settings.folder / "cache", "g", {"g/a.py": _module("a")}, "GPL-3.0-only")
    assert build(settings, [wanted]) == []


def test_an_archive_that_is_not_the_pinned_one_is_left_out(settings: DataSettings) -> None:
    wanted = _wheel(settings.folder / "cache", "one", {"one/a.py": _module("a")})
    pinned = Wanted(ecosystem="wheel", name="one", version="1.0", sha256="0" * 64)
    assert build(settings, [pinned]) == []
    assert len(build(settings, [wanted])) == 1


def test_a_package_that_cannot_be_fetched_does_not_stop_the_others(
    settings: DataSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = _wheel(settings.folder / "cache", "one", {"one/a.py": _module("a")})

    def refused(_wanted: Wanted, _folder: Path) -> None:
        raise FetchError("no network")

    monkeypatch.setattr(data_fetch, "_download", refused)
    records = build(settings, [Wanted(ecosystem="npm", name="missing"), one])
    assert [record.name for record in records] == ["one"]


def test_compiled_javascript_beside_its_typescript_is_dropped(settings: DataSettings) -> None:
    files = {"package/src/a.ts": _module("a"), "package/lib/a.js": _module("b")}
    folder = settings.folder / "cache" / "npm-@x+y"
    folder.mkdir(parents=True)
    with tarfile.open(folder / "x-y-2.0.0.tgz", "w:gz") as bundle:
        about = json.dumps({"version": "2.0.0", "license": "ISC"})
        for path, text in {"package/package.json": about, **files}.items():
            info = tarfile.TarInfo(path)
            info.size = len(text.encode())
            bundle.addfile(info, io.BytesIO(text.encode()))
    [record] = build(settings, [Wanted(ecosystem="npm", name="@x/y")])
    assert (record.version, record.licence, record.files) == ("2.0.0", "ISC", 1)
    shard = read_shard(settings.folder / "shards" / "npm-@x+y.npz")
    assert shard.languages.tolist() == ["typescript"]


def test_a_damaged_archive_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "wheel-x"
    folder.mkdir()
    (folder / "x-1.whl").write_bytes(b"PK nonsense")
    with pytest.raises(FetchError, match=r"x-1\.whl cannot be read"):
        fetch(Wanted(ecosystem="wheel", name="x"), tmp_path)


def test_files_in_another_encoding_are_skipped(tmp_path: Path) -> None:
    folder = tmp_path / "wheel-x"
    folder.mkdir()
    with zipfile.ZipFile(folder / "x-1.whl", "w") as bundle:
        bundle.writestr("x-1.dist-info/METADATA", "Name: x\nVersion: 1\nLicense: MIT\n")
        bundle.writestr("x/bad.py", b"\xff\xfe\x00")
        bundle.writestr("x/good.py", "pass\n")
    fetched = fetch(Wanted(ecosystem="wheel", name="x"), tmp_path)
    assert list(source_texts(fetched, frozenset({".py"}))) == [("x/good.py", "pass\n")]


def test_about_a_fifth_of_the_packages_is_held_out_whatever_else_is_in_the_list() -> None:
    flags = [is_held_out(f"npm-package-{number}") for number in range(2000)]
    assert 0.17 < sum(flags) / len(flags) < 0.23


def test_our_list_is_pinned_permissive_and_large_enough() -> None:
    wanted = read_package_list(PACKAGE_LIST)
    pinned = {record.key: record for record in read_records(PINS, PackageRecord)}
    assert len(pinned) >= 60
    assert {item.key for item in wanted} >= pinned.keys()
    assert all(is_permissive(record.licence) for record in pinned.values())
    assert all(record.held_out == is_held_out(record.key) for record in pinned.values())
    assert all(len(item.sha256 or "") == 64 for item in wanted if item.key in pinned)
