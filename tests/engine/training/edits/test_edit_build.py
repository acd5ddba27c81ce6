from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec
import pytest

from midspan_engine.training import data_fetch
from midspan_engine.training.data_build import is_held_out
from midspan_engine.training.data_fetch import FetchError, Wanted
from midspan_engine.training.data_shards import ShardError
from midspan_engine.training.edits import build as edit_build
from midspan_engine.training.edits.build import EditDataSettings, EditRecord, build
from midspan_engine.training.edits.package_list import (
    EditPackage,
    PackageListError,
    Release,
    read_edit_packages,
)
from midspan_engine.training.edits.samples import EditCorpus, read_samples
from midspan_engine.training.licences import is_permissive
from midspan_engine.training.manifest import read_records

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    MakePackage = Callable[..., EditPackage]
    Versions = dict[str, dict[str, str]]


@pytest.fixture
def settings(edit_data: Path) -> EditDataSettings:
    return EditDataSettings(folder=edit_data)


def test_releases_become_samples_and_a_manifest(
    settings: EditDataSettings, make_package: MakePackage, two_releases: Versions
) -> None:
    [record] = build(settings, [make_package("one", two_releases)])
    samples = read_samples(settings.folder / "samples" / "wheel-one.msgpack.z")
    assert record.samples == len(samples) == sum(record.kinds.values())
    assert record.kinds["release"] >= 3
    assert record.kinds["release quiet"] >= 1
    assert set(record.kinds) - {"release", "release quiet"}, "no refactorings"
    assert record.languages == {"python": len(samples)}
    assert [version for version, _ in record.releases] == ["1.0", "1.1"]
    assert read_records(settings.folder / "manifest.json", EditRecord)[0].samples == len(samples)


def test_the_same_samples_come_out_again(
    settings: EditDataSettings, make_package: MakePackage, two_releases: Versions
) -> None:
    package = make_package("one", two_releases)
    build(settings, [package])
    path = settings.folder / "samples" / "wheel-one.msgpack.z"
    before = path.read_bytes()
    (settings.folder / "manifest.json").unlink()
    build(settings, [package])
    assert path.read_bytes() == before


def test_a_second_run_goes_on_where_the_first_stopped(
    settings: EditDataSettings,
    make_package: MakePackage,
    two_releases: Versions,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = make_package("one", two_releases)
    build(settings, [first])
    copy = make_package("copy", two_releases)
    opened: list[str] = []
    real = data_fetch.fetch

    def counted(wanted: Wanted, folder: Path) -> data_fetch.Fetched:
        opened.append(wanted.name)
        return real(wanted, folder)

    monkeypatch.setattr(edit_build, "fetch", counted)
    records = build(settings, [first, copy])
    assert opened == ["copy", "copy"]
    # What the first run wrote still counts as seen.
    assert records[1].samples < records[0].samples
    assert records[1].kinds.get("release", 0) < records[0].kinds["release"]


def test_only_permissive_licences_and_pinned_archives_are_used(
    settings: EditDataSettings, make_package: MakePackage, two_releases: Versions
) -> None:
    copyleft = make_package("gpl", two_releases, licence="GPL-3.0-only")
    assert build(settings, [copyleft]) == []
    package = make_package("one", two_releases)
    changed = Release(version="1.1", sha256="0" * 64)
    other = msgspec.structs.replace(package, releases=(package.releases[0], changed))
    assert build(settings, [other]) == []
    assert len(build(settings, [package])) == 1


def test_a_package_that_cannot_be_fetched_does_not_stop_the_others(
    settings: EditDataSettings,
    make_package: MakePackage,
    two_releases: Versions,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refused(_wanted: Wanted, _folder: Path) -> None:
        raise FetchError("no network")

    monkeypatch.setattr(data_fetch, "_download", refused)
    missing = EditPackage(
        ecosystem="npm",
        name="missing",
        licence="MIT",
        releases=(Release(version="1.0.0", sha256="0" * 64),),
    )
    records = build(settings, [missing, make_package("one", two_releases)])
    assert [record.name for record in records] == ["one"]


def test_files_that_overlap_a_benchmark_are_left_out(
    settings: EditDataSettings, make_package: MakePackage, two_releases: Versions, tmp_path: Path
) -> None:
    benchmark = tmp_path / "benchmark.jsonl"
    solution = "\n".join(two_releases["1.1"]["pack/a.py"].splitlines()[3:9])
    benchmark.write_text(json.dumps({"prompt": "", "canonical_solution": solution}) + "\n")
    settings = replace(settings, exclude=(benchmark,))
    build(settings, [make_package("one", two_releases)])
    samples = read_samples(settings.folder / "samples" / "wheel-one.msgpack.z")
    assert {sample.path for sample in samples} == {"pack/b.py"}


def test_one_release_alone_serves_for_refactorings(
    settings: EditDataSettings, make_package: MakePackage, two_releases: Versions
) -> None:
    [record] = build(settings, [make_package("one", {"1.1": two_releases["1.1"]})])
    assert record.samples
    assert "release" not in record.kinds


def test_packages_of_the_two_splits_do_not_mix(edit_samples: Path) -> None:
    trained = EditCorpus.load(edit_samples, held_out=False)
    held_out = EditCorpus.load(edit_samples, held_out=True)
    assert trained.changed
    assert trained.quiet
    paths = {sample.path for sample in trained.changed + trained.quiet}
    assert not paths & {sample.path for sample in held_out.changed + held_out.quiet}


def test_missing_and_damaged_samples_say_what_to_run(edit_samples: Path, tmp_path: Path) -> None:
    with pytest.raises(ShardError, match="midspan train edit-data"):
        EditCorpus.load(tmp_path / "nowhere", held_out=False)
    for path in (edit_samples / "samples").iterdir():
        path.write_bytes(b"nonsense")
    with pytest.raises(ShardError, match="is damaged"):
        EditCorpus.load(edit_samples, held_out=False)


def test_our_list_is_pinned_permissive_and_large_enough() -> None:
    packages = read_edit_packages()
    followed = [package for package in packages if len(package.releases) > 1]
    assert len(followed) >= 60
    assert {package.ecosystem for package in followed} >= {"wheel", "sdist", "npm"}
    assert all(is_permissive(package.licence) for package in packages)
    releases = [release for package in packages for release in package.releases]
    assert all(len(release.sha256) == 64 for release in releases)
    keys = [package.key for package in packages]
    assert len(set(keys)) == len(keys)
    assert 0.1 < sum(map(is_held_out, keys)) / len(keys) < 0.3


def test_a_list_of_another_shape_is_named(tmp_path: Path) -> None:
    path = tmp_path / "list.json"
    path.write_text('[{"name": "x"}]')
    with pytest.raises(PackageListError, match=r"list\.json"):
        read_edit_packages(path)
