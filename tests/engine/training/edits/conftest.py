"""Releases of made-up packages as wheels in a cache folder, and samples of them."""

from __future__ import annotations

import hashlib
import zipfile
from typing import TYPE_CHECKING, Protocol

import pytest

from midspan_engine.training.data_build import is_held_out
from midspan_engine.training.edits.build import EditDataSettings, build
from midspan_engine.training.edits.package_list import EditPackage, Release

if TYPE_CHECKING:
    from pathlib import Path

NAMES = ("alpha", "beta", "gamma", "delta")


def module(word: str, call: str) -> str:
    """Four functions, far enough from each other, that all use `call`."""
    return "".join(
        f"def {word}_{name}(state, limit):\n    result = {call}(state, limit)\n"
        + "".join(f"    {word}_{name}_{step} = state[{step}]\n" for step in range(12))
        + "    print(state)\n    return result\n\n\n"
        for name in NAMES
    )


class MakePackage(Protocol):
    def __call__(
        self, name: str, versions: dict[str, dict[str, str]], licence: str = "MIT"
    ) -> EditPackage: ...


@pytest.fixture
def edit_data(tmp_path: Path) -> Path:
    return tmp_path / "edit-data"


@pytest.fixture
def make_package(edit_data: Path) -> MakePackage:
    """Puts wheels of each version where a download would have put them."""

    def make(name: str, versions: dict[str, dict[str, str]], licence: str = "MIT") -> EditPackage:
        releases = []
        for version, files in versions.items():
            folder = edit_data / "cache" / version / f"wheel-{name}"
            folder.mkdir(parents=True)
            archive = folder / f"{name}-{version}-py3-none-any.whl"
            with zipfile.ZipFile(archive, "w") as bundle:
                meta = f"Name: {name}\nVersion: {version}\nLicense-Expression: {licence}\n"
                bundle.writestr(f"{name}-{version}.dist-info/METADATA", meta)
                for path, text in files.items():
                    bundle.writestr(path, text)
            digest = hashlib.sha256(archive.read_bytes()).hexdigest()
            releases.append(Release(version=version, sha256=digest))
        return EditPackage(ecosystem="wheel", name=name, licence=licence, releases=tuple(releases))

    return make


@pytest.fixture
def two_releases() -> dict[str, dict[str, str]]:
    return {
        "1.0": {"pack/a.py": module("one", "load"), "pack/b.py": module("two", "load")},
        "1.1": {"pack/a.py": module("one", "fetch"), "pack/b.py": module("two", "fetch")},
    }


@pytest.fixture
def edit_samples(edit_data: Path, make_package: MakePackage) -> Path:
    """Samples of two packages, one of them held out."""
    names = [f"pack{number}" for number in range(40)]
    for held_out in (False, True):
        name = next(n for n in names if is_held_out(f"wheel-{n}") == held_out)
        word = "held" if held_out else "kept"
        versions = {
            "1.0": {f"{name}/a.py": module(word, "load"), f"{name}/b.py": module("in", "load")},
            "1.1": {f"{name}/a.py": module(word, "fetch"), f"{name}/b.py": module("in", "fetch")},
        }
        build(EditDataSettings(folder=edit_data), [make_package(name, versions)])
    return edit_data
