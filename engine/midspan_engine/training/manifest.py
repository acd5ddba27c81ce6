"""Data that is built package by package, with a manifest of what is done; resumable."""

from __future__ import annotations

import json
import logging
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar

from tqdm import tqdm

from midspan_engine.training.data_fetch import FetchError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from dataclasses import Field
    from pathlib import Path

_LOG = logging.getLogger(__name__)


class Package(Protocol):
    """What is to be built."""

    @property
    def key(self) -> str:
        """Names it in the manifest."""
        ...

    @property
    def name(self) -> str:
        """For people."""
        ...


class Record(Protocol):
    """One package in the manifest; a dataclass."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    @property
    def key(self) -> str:
        """Of the package."""
        ...


PackageType = TypeVar("PackageType", bound=Package)
RecordType = TypeVar("RecordType", bound=Record)


def build_missing(
    manifest: Path,
    packages: Sequence[PackageType],
    make: Callable[[PackageType], RecordType | None],
    *,
    remember: Callable[[str], None],
    kind: type[RecordType],
) -> list[RecordType]:
    """Build every package that is not yet in the manifest; returns the manifest.

    Args:
        manifest: File to read, and to write after each package.
        packages: What is wanted.
        make: Makes the data of one; None where it cannot be used, which it has logged. What cannot
            be fetched is logged here.
        remember: Told the key of each package that an earlier run made.
        kind: Of the records.
    """
    done = {record.key: record for record in read_records(manifest, kind)}
    for key in done:
        remember(key)
    progress = tqdm(packages, unit="package", desc=manifest.parent.name)
    for package in progress:
        progress.set_postfix_str(package.name)
        if package.key in done:
            continue
        try:
            record = make(package)
        except FetchError as error:
            _LOG.warning("left out: %s", error)
            continue
        if record is not None:
            done[record.key] = record
            write_records(manifest, done.values())
    return list(done.values())


def read_records(path: Path, kind: type[RecordType]) -> list[RecordType]:
    """Records of an earlier run; empty if there was none."""
    if not path.is_file():
        return []
    raw = json.loads(path.read_text(encoding="utf-8"))
    return [kind(**entry) for entry in raw["packages"]]


def write_records(path: Path, records: Iterable[RecordType]) -> None:
    """Write sorted by key, atomically."""
    ordered = [asdict(record) for record in sorted(records, key=lambda record: record.key)]
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps({"packages": ordered}, indent=1) + "\n", encoding="utf-8")
    temporary.replace(path)
