"""Build the token shards: fetch, filter, deduplicate, tokenise; resumable by package."""

from __future__ import annotations

import collections
import hashlib
import json
import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tokenizers import Tokenizer

from midspan_engine.training.data_fetch import Fetched, Wanted, fetch, source_texts
from midspan_engine.training.data_filter import (
    LANGUAGES,
    PERMUTATIONS,
    BenchmarkFilter,
    Deduplicator,
    language_of,
    looks_written,
)
from midspan_engine.training.data_shards import Shard, read_shard, write_shard
from midspan_engine.training.licences import is_permissive
from midspan_engine.training.manifest import build_missing, read_records

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_LOG = logging.getLogger(__name__)
_HELD_OUT_EVERY = 5
_TYPED = frozenset({"typescript"})
PACKAGE_LIST = Path(__file__).with_name("packages.json")
PINS = Path(__file__).with_name("manifest.json")
"""What the shipped adapter was trained on: version, licence and sum of every archive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageRecord:
    """One line of the manifest."""

    key: str
    name: str
    ecosystem: str
    version: str
    licence: str
    sha256: str
    held_out: bool
    files: int
    tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSettings:
    """Where the data goes and how much of each package is taken."""

    folder: Path
    tokenizer: Path
    exclude: tuple[Path, ...] = ()
    largest_package_tokens: int = 300_000


def is_held_out(key: str) -> bool:
    """A fifth of all packages, by name alone, so that the split never moves as the list grows."""
    return int(hashlib.sha256(key.encode()).hexdigest()[:8], 16) % _HELD_OUT_EVERY == 0


def read_package_list(path: Path = PACKAGE_LIST, *, pinned: bool = True) -> list[Wanted]:
    """The packages to take: `{"wheel": ["name", …], "npm": […], …}`.

    Those that our manifest knows get its version and sum, so that the same data comes back.
    """
    raw: dict[Any, list[str]] = json.loads(path.read_text(encoding="utf-8"))
    wanted: list[Wanted] = []
    for ecosystem, names in raw.items():
        wanted += [Wanted(ecosystem=ecosystem, name=name) for name in names]
    if not pinned:
        return wanted
    pins = {
        record.key: (record.version, record.sha256) for record in read_records(PINS, PackageRecord)
    }
    unpinned = (None, None)
    return [
        replace(
            item, version=pins.get(item.key, unpinned)[0], sha256=pins.get(item.key, unpinned)[1]
        )
        for item in wanted
    ]


def build(settings: DataSettings, packages: Sequence[Wanted]) -> list[PackageRecord]:
    """Fetch and tokenise what is missing; returns the manifest, which is also written.

    Packages that cannot be fetched or whose licence is not permissive are logged and left out.

    Raises:
        OSError: the folder or an exclusion file cannot be used.
    """
    manifest = settings.folder / "manifest.json"
    builder = _Builder(settings)
    return build_missing(
        manifest, packages, builder.package, remember=builder.remember, kind=PackageRecord
    )


class _Builder:
    def __init__(self, settings: DataSettings) -> None:
        self.settings = settings
        self.tokenizer = Tokenizer.from_file(str(settings.tokenizer))
        self.benchmarks = BenchmarkFilter.from_files(settings.exclude)
        self.seen = Deduplicator()
        self.refused: collections.Counter[str] = collections.Counter()

    def shard_path(self, key: str) -> Path:
        return self.settings.folder / "shards" / f"{key}.npz"

    def remember(self, key: str) -> None:
        shard = read_shard(self.shard_path(key))
        for digest, signature in zip(shard.digests, shard.signatures, strict=True):
            self.seen.add_known(digest.tobytes(), signature)

    def package(self, wanted: Wanted) -> PackageRecord | None:
        fetched = fetch(wanted, self.settings.folder / "cache")
        if not is_permissive(fetched.licence):
            _LOG.warning("left out: %s has licence %r", wanted.name, fetched.licence)
            return None
        if wanted.sha256 not in (None, fetched.sha256):
            _LOG.warning("left out: %s is not the archive that was pinned", fetched.archive.name)
            return None
        shard = self._tokenise(self._files(fetched))
        write_shard(self.shard_path(wanted.key), shard)
        return PackageRecord(
            key=wanted.key,
            name=wanted.name,
            ecosystem=wanted.ecosystem,
            version=fetched.version,
            licence=fetched.licence,
            sha256=fetched.sha256,
            held_out=is_held_out(wanted.key),
            files=len(shard.starts) - 1,
            tokens=len(shard.tokens),
        )

    def _files(self, fetched: Fetched) -> list[tuple[str, str]]:
        files = []
        for path, text in source_texts(fetched, frozenset(LANGUAGES)):
            language = language_of(path)
            if language is None or not looks_written(text):
                self.refused["not written by people"] += 1
            elif self.benchmarks.overlaps(text):
                self.refused["overlaps a benchmark"] += 1
            else:
                files.append((language, text))
        if any(language in _TYPED for language, _ in files):
            # A package that carries its TypeScript carries what was compiled from it too.
            files = [file for file in files if file[0] != "javascript"]
        # In a fixed order that does not favour one folder when the package is cut.
        return sorted(files, key=lambda file: hashlib.sha256(file[1].encode()).digest())

    def _tokenise(self, files: Iterable[tuple[str, str]]) -> Shard:
        pieces: list[np.ndarray] = []
        known: list[tuple[bytes, np.ndarray]] = []
        languages: list[str] = []
        total = 0
        for language, text in files:
            if total >= self.settings.largest_package_tokens:
                break
            admitted = self.seen.admit(text)
            if admitted is None:
                self.refused["duplicate"] += 1
                continue
            ids = self.tokenizer.encode(text, add_special_tokens=False).ids
            pieces.append(np.asarray(ids, dtype=np.uint32))
            known.append(admitted)
            languages.append(language)
            total += len(ids)
        ends = np.cumsum([0, *(len(piece) for piece in pieces)], dtype=np.int64)
        digests = [np.frombuffer(digest, dtype=np.uint8) for digest, _ in known]
        return Shard(
            tokens=np.concatenate(pieces) if pieces else np.empty(0, np.uint32),
            starts=ends,
            digests=np.array(digests, dtype=np.uint8).reshape(-1, 32),
            signatures=np.array([s for _, s in known], np.uint32).reshape(-1, PERMUTATIONS),
            languages=np.array(languages, dtype=np.str_),
        )
