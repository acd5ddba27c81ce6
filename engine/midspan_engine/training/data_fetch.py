"""Fetch source packages by name with the ordinary clients of their registries."""

from __future__ import annotations

import email.parser
import hashlib
import json
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Ecosystem = Literal["wheel", "sdist", "npm", "deb"]
_LARGEST_FILE = 400_000
_FETCH_TIMEOUT_S = 600


class FetchError(RuntimeError):
    """A package could not be fetched or read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A package to fetch; `version` None means the newest, `sha256` None any archive."""

    ecosystem: Ecosystem
    name: str
    version: str | None = None
    sha256: str | None = None

    @property
    def key(self) -> str:
        """File-system name of the package."""
        return f"{self.ecosystem}-{self.name.replace('/', '+')}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """An archive on disk with what it says about itself."""

    wanted: Wanted
    archive: Path
    version: str
    licence: str
    sha256: str


def fetch(wanted: Wanted, cache: Path) -> Fetched:
    """Take the archive from `cache`, or download it there.

    Raises:
        FetchError: the client failed, or the archive cannot be read.
    """
    folder = cache / wanted.key
    archives = _archives(folder)
    if not archives:
        partial = folder.with_name(folder.name + ".part")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        _download(wanted, partial)
        partial.replace(folder)
        archives = _archives(folder)
    if not archives:
        raise FetchError(f"{wanted.name}: the client downloaded nothing")
    archive = archives[0]
    try:
        version, licence = _describe(wanted, archive)
    except (tarfile.TarError, zipfile.BadZipFile, KeyError, ValueError, OSError) as error:
        raise FetchError(f"{wanted.name}: {archive.name} cannot be read: {error}") from error
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    return Fetched(wanted=wanted, archive=archive, version=version, licence=licence, sha256=digest)


def source_texts(fetched: Fetched, suffixes: frozenset[str]) -> Iterator[tuple[str, str]]:
    """(path, text) of the UTF-8 files in the archive that end in one of `suffixes`.

    Raises:
        FetchError: the archive is damaged.
    """
    try:
        for path, data in _members(fetched.archive, suffixes):
            try:
                yield path, data.decode("utf-8")
            except UnicodeDecodeError:
                continue
    except (tarfile.TarError, zipfile.BadZipFile, OSError) as error:
        raise FetchError(f"{fetched.archive.name} is damaged: {error}") from error


def _archives(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*") if path.is_file()) if folder.is_dir() else []


def _download(wanted: Wanted, folder: Path) -> None:
    pin = wanted.version
    name = wanted.name
    if wanted.ecosystem in {"wheel", "sdist"}:
        flag = "--only-binary" if wanted.ecosystem == "wheel" else "--no-binary"
        target = f"{name}=={pin}" if pin else name
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command += [flag, ":all:", "--dest", str(folder), target]
    elif wanted.ecosystem == "npm":
        command = ["npm", "pack", "--silent", f"{name}@{pin}" if pin else name]
    else:
        command = ["apt-get", "download", "-q", f"{name}={pin}" if pin else name]
    try:
        subprocess.run(
            command, cwd=folder, check=True, capture_output=True, timeout=_FETCH_TIMEOUT_S
        )
    except FileNotFoundError as error:
        raise FetchError(f"{wanted.name}: {command[0]} is not installed") from error
    except subprocess.TimeoutExpired as error:
        raise FetchError(f"{wanted.name}: {command[0]} took over {_FETCH_TIMEOUT_S} s") from error
    except subprocess.CalledProcessError as error:
        lines = error.stderr.decode(errors="replace").strip().splitlines() or ["no message"]
        raise FetchError(f"{wanted.name}: {lines[-1]}") from error


def _members(archive: Path, suffixes: frozenset[str]) -> Iterator[tuple[str, bytes]]:
    def fits(name: str, size: int) -> bool:
        return size <= _LARGEST_FILE and name[name.rfind(".") :].lower() in suffixes

    if archive.suffix in {".whl", ".zip"}:
        with zipfile.ZipFile(archive) as bundle:
            for info in bundle.infolist():
                if fits(info.filename, info.file_size):
                    yield info.filename, bundle.read(info)
    elif archive.suffix == ".deb":
        yield from _deb_members(archive, suffixes)
    else:
        with tarfile.open(archive) as bundle_tar:
            for member in bundle_tar:
                stream = bundle_tar.extractfile(member) if member.isfile() else None
                if stream and fits(member.name, member.size):
                    yield member.name, stream.read()


def _deb_members(archive: Path, suffixes: frozenset[str]) -> Iterator[tuple[str, bytes]]:
    command = ["dpkg-deb", "--fsys-tarfile", str(archive)]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE) as process,
        tarfile.open(fileobj=process.stdout, mode="r|") as bundle,
    ):
        for member in bundle:
            stream = bundle.extractfile(member) if member.isfile() else None
            name = member.name
            wanted = name[name.rfind(".") :].lower() in suffixes or name.endswith("/copyright")
            if stream and wanted and member.size <= _LARGEST_FILE:
                yield name, stream.read()


def _describe(wanted: Wanted, archive: Path) -> tuple[str, str]:
    if wanted.ecosystem == "npm":
        data = _first(archive, "package/package.json") or _first(archive, "/package.json")
        raw = json.loads(data)
        licence = raw.get("license") or ""
        return str(raw["version"]), licence if isinstance(licence, str) else str(licence["type"])
    if wanted.ecosystem == "deb":
        return _describe_deb(archive)
    ending = ".dist-info/METADATA" if wanted.ecosystem == "wheel" else "/PKG-INFO"
    header = email.parser.Parser().parsestr(_first(archive, ending), headersonly=True)
    classifiers = header.get_all("Classifier") or []
    named = [text for text in classifiers if text.startswith("License ::")]
    licence = header.get("License-Expression") or (header.get("License") or "").strip()
    if not licence or "\n" in licence or licence == "UNKNOWN":
        licence = "; ".join(named) or licence[:80]
    return str(header["Version"]), licence


def _first(archive: Path, ending: str) -> str:
    suffix = ending[ending.rfind(".") :] if "." in ending else ""
    if archive.suffix in {".whl", ".zip"}:
        with zipfile.ZipFile(archive) as bundle:
            name = next(name for name in bundle.namelist() if name.endswith(ending))
            return bundle.read(name).decode("utf-8", "replace")
    del suffix
    with tarfile.open(archive) as bundle_tar:
        for member in bundle_tar:
            stream = bundle_tar.extractfile(member) if member.name.endswith(ending) else None
            if stream:
                return stream.read().decode("utf-8", "replace")
    raise KeyError(ending)


def _describe_deb(archive: Path) -> tuple[str, str]:
    query = ["dpkg-deb", "--field", str(archive), "Version"]
    version = subprocess.run(query, check=True, capture_output=True, text=True).stdout.strip()
    for name, data in _deb_members(archive, frozenset()):
        if name.endswith("/copyright"):
            found = re.findall(r"^License: *(\S.*)$", data.decode("utf-8", "replace"), re.MULTILINE)
            return version, next(iter(found), "")
    return version, ""
