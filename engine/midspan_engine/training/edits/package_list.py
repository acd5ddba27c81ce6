"""The packages whose releases are compared, with the sum of every archive."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from midspan_engine.training.data_fetch import Ecosystem, Wanted

if TYPE_CHECKING:
    from collections.abc import Sequence

PACKAGE_LIST = Path(__file__).with_name("packages.json")


class PackageListError(ValueError):
    """The list of packages cannot be used."""


class Release(msgspec.Struct, frozen=True, kw_only=True):
    """One archive."""

    version: str
    sha256: str


class EditPackage(msgspec.Struct, frozen=True, kw_only=True):
    """A package and releases of it that follow each other, oldest first.

    One with a single release still serves for refactorings.
    """

    ecosystem: Ecosystem
    name: str
    licence: str
    releases: tuple[Release, ...]

    @property
    def key(self) -> str:
        """File-system name, the same as in the other training data."""
        return Wanted(ecosystem=self.ecosystem, name=self.name).key

    def wanted(self, release: Release) -> Wanted:
        """What to fetch."""
        return Wanted(
            ecosystem=self.ecosystem,
            name=self.name,
            version=release.version,
            sha256=release.sha256,
        )


def read_edit_packages(path: Path = PACKAGE_LIST) -> Sequence[EditPackage]:
    """The pinned list.

    Raises:
        PackageListError: unreadable, or of another shape.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=list[EditPackage])
    except (OSError, msgspec.DecodeError) as error:
        raise PackageListError(f"{path} cannot be read: {error}") from error
