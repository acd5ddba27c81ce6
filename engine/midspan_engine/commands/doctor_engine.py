"""Findings about Midspan's own folders, its weights and its running engine."""

from __future__ import annotations

import shutil
import tempfile
from typing import TYPE_CHECKING

from midspan_engine import weights
from midspan_engine.commands.doctor_machine import Finding
from midspan_engine.protocol import ProtocolMismatch, socket_path, state_directory
from midspan_engine.service.probe import probe
from midspan_engine.weights.embedded import EMBEDDED_MODEL
from midspan_engine.weights.files import cache_directory

if TYPE_CHECKING:
    from pathlib import Path

_PULL_BYTES = 1_500_000_000


def cache_folder() -> Finding:
    """Judge the folder of weights."""
    folder = cache_directory()
    refused = _refusal(folder)
    if refused:
        remedy = "make it writeable, or choose another with MIDSPAN_CACHE"
        return Finding(grade="fail", subject="cache", found=refused, remedy=remedy)
    free = shutil.disk_usage(folder).free
    found = f"{folder}, {free / 1e9:.1f} GB free"
    if free < _PULL_BYTES and not weights.installed():
        remedy = "a pull needs 1.5 GB; make room, or choose another folder with MIDSPAN_CACHE"
        return Finding(grade="warn", subject="cache", found=found, remedy=remedy)
    return Finding(grade="ok", subject="cache", found=found)


def state_folder() -> Finding:
    """Judge the folder of logs and counters."""
    folder = state_directory()
    refused = _refusal(folder)
    if refused:
        remedy = "make it writeable, or choose another with MIDSPAN_STATE"
        return Finding(grade="fail", subject="state", found=refused, remedy=remedy)
    return Finding(grade="ok", subject="state", found=str(folder))


def model_files(name: str | None) -> Finding:
    """Judge the weights: here, and whole."""
    wanted = name or weights.DEFAULT_MODEL
    found = next((files for files in weights.installed() if files.name == wanted), None)
    if found is not None:
        text = f"{found.name}, {found.size_bytes / 1e6:,.0f} MB, {found.licence}, {found.folder}"
        return Finding(grade="ok", subject="weights", found=text)
    remedy = f"midspan pull {wanted}"
    if wanted == weights.DEFAULT_MODEL:
        text = f"{wanted} is not here, or not whole; the small {EMBEDDED_MODEL} answers"
        return Finding(grade="warn", subject="weights", found=text, remedy=remedy)
    text = f"{wanted} is not here, or not whole"
    return Finding(grade="fail", subject="weights", found=text, remedy=remedy)


def engine() -> Finding:
    """Ask the engine how it is. One that is not running is no fault: the editor starts it."""
    path = socket_path()
    try:
        status = probe(path).status
    except (FileNotFoundError, ConnectionRefusedError):
        found = f"not running ({path})"
        remedy = "nothing to do: it starts with the first request"
        return Finding(grade="ok", subject="engine", found=found, remedy=remedy)
    except (OSError, ProtocolMismatch) as error:
        remedy = "end the process `midspan engine`; a new one starts with the next request"
        found = f"{path} does not answer: {error}"
        return Finding(grade="fail", subject="engine", found=found, remedy=remedy)
    found = f"{status.state}, {status.model or 'no model'}, {status.runtime or 'no runtime'}, "
    found += f"{status.resident_bytes / 1e6:,.0f} MB, {status.sessions} sessions, {path}"
    if status.state == "failed":
        return Finding(grade="fail", subject="engine", found=found, remedy=status.message)
    return Finding(grade="ok", subject="engine", found=found)


def _refusal(folder: Path) -> str:
    """Return why `folder` cannot be written, or ""."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return ""
    except OSError as error:
        return f"{folder} cannot be written: {error.strerror or error}"
