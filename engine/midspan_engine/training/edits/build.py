"""Build the edit samples: fetch releases, compare, refactor, deduplicate; resumable by package."""

from __future__ import annotations

import collections
import itertools
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from midspan_engine.training.data_build import is_held_out
from midspan_engine.training.data_fetch import fetch, source_texts
from midspan_engine.training.data_filter import LANGUAGES, BenchmarkFilter, Deduplicator
from midspan_engine.training.edits.refactor import refactored
from midspan_engine.training.edits.releases import ReleaseMiner, release_texts, revisions
from midspan_engine.training.edits.samples import REAL, read_samples, write_samples
from midspan_engine.training.licences import is_permissive
from midspan_engine.training.manifest import build_missing

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from midspan_engine.training.edits.package_list import EditPackage, Release
    from midspan_engine.training.edits.releases import Texts
    from midspan_engine.training.edits.samples import EditSample

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class EditDataSettings:
    """Where the data goes and how much of each package is taken."""

    folder: Path
    exclude: tuple[Path, ...] = ()
    real: int = 120
    """Most samples of a package with a change between releases."""
    refactored: int = 100
    """Most samples of a package with a refactoring."""
    quiet_share: float = 0.6
    """Most unchanged samples, as a share of the changed ones of the same source."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EditRecord:
    """One package in the manifest."""

    key: str
    name: str
    ecosystem: str
    licence: str
    releases: list[tuple[str, str]]
    """(version, sha256), oldest first."""
    held_out: bool
    samples: int
    kinds: dict[str, int]
    languages: dict[str, int]


def build(settings: EditDataSettings, packages: Sequence[EditPackage]) -> list[EditRecord]:
    """Make the samples of every package that is not yet in the manifest; returns the manifest.

    Packages that cannot be fetched, that are not the pinned ones or whose licence is not
    permissive are logged and left out.

    Raises:
        OSError: the folder or an exclusion file cannot be used.
        ShardError: samples of an earlier run are damaged.
    """
    manifest = settings.folder / "manifest.json"
    builder = _Builder(settings)
    return build_missing(
        manifest, packages, builder.package, remember=builder.remember, kind=EditRecord
    )


class _Builder:
    def __init__(self, settings: EditDataSettings) -> None:
        self.settings = settings
        self.benchmarks = BenchmarkFilter.from_files(settings.exclude)
        self.seen = Deduplicator()

    def samples_path(self, key: str) -> Path:
        return self.settings.folder / "samples" / f"{key}.msgpack.z"

    def remember(self, key: str) -> None:
        for sample in read_samples(self.samples_path(key)):
            self.seen.admit(_told_apart_by(sample))

    def package(self, package: EditPackage) -> EditRecord | None:
        releases = [self._texts(package, release) for release in package.releases]
        texts = [found for found in releases if found is not None]
        if len(texts) < len(releases) or not texts:
            return None
        seed = np.frombuffer(package.key.encode(), dtype=np.uint8).tolist()
        rng = np.random.default_rng(seed)
        samples = [*self._real(texts, rng), *self._refactored(texts[-1], rng)]
        write_samples(self.samples_path(package.key), samples)
        return EditRecord(
            key=package.key,
            name=package.name,
            ecosystem=package.ecosystem,
            licence=package.licence,
            releases=[(release.version, release.sha256) for release in package.releases],
            held_out=is_held_out(package.key),
            samples=len(samples),
            kinds=dict(collections.Counter(map(_kind, samples))),
            languages=dict(collections.Counter(sample.language for sample in samples)),
        )

    def _texts(self, package: EditPackage, release: Release) -> Texts | None:
        """Files of one release; None where it cannot be used."""
        cache = self.settings.folder / "cache" / release.version.replace("/", "_")
        fetched = fetch(package.wanted(release), cache)
        if fetched.sha256 != release.sha256:
            _LOG.warning("left out: %s is not the archive that was pinned", fetched.archive.name)
            return None
        if not is_permissive(fetched.licence):
            _LOG.warning("left out: %s has licence %r", package.name, fetched.licence)
            return None
        texts = release_texts(source_texts(fetched, frozenset(LANGUAGES)))
        return {path: text for path, text in texts.items() if not self.benchmarks.overlaps(text)}

    def _real(self, texts: Sequence[Texts], rng: np.random.Generator) -> list[EditSample]:
        pairs = list(itertools.pairwise(texts))
        found: list[EditSample] = []
        for older, newer in pairs:
            mined = ReleaseMiner(revisions(older, newer), rng).samples()
            found += self._limited(mined, self.settings.real // len(pairs))
        return found

    def _refactored(self, texts: Texts, rng: np.random.Generator) -> list[EditSample]:
        return self._limited(refactored(texts, rng), self.settings.refactored)

    def _limited(self, samples: Iterator[EditSample], most: int) -> list[EditSample]:
        """New ones, until there are enough; quiet ones keep their share."""
        changed: list[EditSample] = []
        quiet: list[EditSample] = []
        for sample in samples:
            if len(changed) >= most:
                break
            full = sample.quiet and len(quiet) >= self.settings.quiet_share * (len(changed) + 3)
            if not full and self.seen.admit(_told_apart_by(sample)) is not None:
                (quiet if sample.quiet else changed).append(sample)
        return changed + quiet


def _told_apart_by(sample: EditSample) -> str:
    return "\n".join((sample.history[-1][1], sample.original, sample.updated))


def _kind(sample: EditSample) -> str:
    source = "release" if sample.kind == REAL else sample.kind
    return f"{source} quiet" if sample.quiet else source
