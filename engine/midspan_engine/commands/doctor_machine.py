"""Findings about the machine and the installed packages."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import os
import platform
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tree_sitter

Grade = Literal["ok", "warn", "fail"]

_OLDEST_PYTHON = (3, 11)
_ENGINE_BYTES = 1_600_000_000
_COMFORT_BYTES = 4_000_000_000
# With int8 dot products a pass takes half the time that it takes without.
_FAST = ("avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm")
_SHOWN = ("avx2", "avx512f", *_FAST)
_REQUIREMENT = re.compile(r"^([A-Za-z0-9._-]+)[^;]*(?:;\s*extra\s*==\s*['\"]([\w-]+)['\"])?\s*$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line of the report.

    Attributes:
        grade: `fail` where Midspan cannot work like this, `warn` where it works less well.
        subject: What was looked at.
        found: What was found.
        remedy: What to do about it; "" where there is nothing to do.
    """

    grade: Grade
    subject: str
    found: str
    remedy: str = ""


def python() -> Finding:
    """Judge the interpreter and the system."""
    found = f"{platform.python_version()} at {sys.executable}, {platform.platform(terse=True)}"
    if sys.version_info[:2] < _OLDEST_PYTHON:
        return Finding(
            grade="fail", subject="python", found=found, remedy="use Python 3.11 or later"
        )
    return Finding(grade="ok", subject="python", found=found)


def processor() -> Finding:
    """Judge the processor by the instructions that quantised passes use."""
    flags = _processor_flags()
    shown = [flag for flag in _SHOWN if flag in flags]
    found = f"{os.cpu_count()} CPUs, {platform.machine()}, {' '.join(shown) or 'flags unknown'}"
    if flags and not any(flag in flags for flag in _FAST):
        return Finding(
            grade="warn",
            subject="processor",
            found=found,
            remedy="no int8 dot products: suggestions take about twice as long",
        )
    return Finding(grade="ok", subject="processor", found=found)


def memory() -> Finding:
    """Judge the memory that other programs leave."""
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    free = _available_memory()
    available = total if free is None else free
    found = f"{total / 1e9:.1f} GB, {available / 1e9:.1f} GB available"
    if available < _ENGINE_BYTES:
        remedy = "the engine needs 1.6 GB; close something"
        return Finding(grade="fail", subject="memory", found=found, remedy=remedy)
    if available < _COMFORT_BYTES:
        remedy = "enough for the engine, and tight beside a browser"
        return Finding(grade="warn", subject="memory", found=found, remedy=remedy)
    return Finding(grade="ok", subject="memory", found=found)


def packages() -> list[Finding]:
    """Judge the packages that Midspan asks for: its own dependencies and the extra `engine`."""
    return [
        _packages("packages", "", "pip install midspan"),
        _packages("engine extra", "engine", "pip install 'midspan[engine]'"),
    ]


def grammars() -> Finding:
    """Load every grammar: an import that works and a grammar that loads are two things."""
    broken, loaded = [], 0
    for project in _required(""):
        if not project.startswith("tree-sitter-"):
            continue
        try:
            loaded += _load_grammars(project.replace("-", "_"))
        except (ImportError, ValueError, AttributeError) as error:
            broken.append(f"{project} ({error})")
    if broken:
        return Finding(
            grade="fail",
            subject="grammars",
            found=f"{', '.join(broken)} cannot be loaded",
            remedy="pip install --force-reinstall midspan",
        )
    return Finding(grade="ok", subject="grammars", found=f"{loaded} load")


def _load_grammars(module_name: str) -> int:
    """Load what a grammar wheel offers; some hold several (typescript and tsx)."""
    module = importlib.import_module(module_name)
    makers = [name for name in dir(module) if name.startswith("language")]
    if not makers:
        raise AttributeError(f"{module_name} offers no language")
    for maker in makers:
        tree_sitter.Language(getattr(module, maker)())
    return len(makers)


def _packages(subject: str, extra: str, remedy: str) -> Finding:
    versions, missing = [], []
    for project in _required(extra):
        try:
            versions.append(f"{project} {importlib.metadata.version(project)}")
        except importlib.metadata.PackageNotFoundError:
            missing.append(project)
    if missing:
        return Finding(
            grade="fail", subject=subject, found=f"missing: {', '.join(missing)}", remedy=remedy
        )
    shown = [version for version in versions if not version.startswith("tree-sitter-")]
    return Finding(grade="ok", subject=subject, found=", ".join(shown))


def _required(extra: str) -> list[str]:
    """Return the projects that Midspan's own metadata asks for."""
    found = []
    for line in importlib.metadata.requires("midspan") or []:
        match = _REQUIREMENT.match(line)
        if match and (match[2] or "") == extra:
            found.append(match[1])
    return found


def _processor_flags() -> frozenset[str]:
    """Return the instruction sets by the names that Linux uses."""
    listed = Path("/proc/cpuinfo")
    if listed.is_file():
        for line in listed.read_text(errors="replace").splitlines():
            key, _, value = line.partition(":")
            if key.strip() in ("flags", "Features"):
                return frozenset(value.split())
        return frozenset()
    if sys.platform == "darwin" and platform.machine() == "arm64":
        return frozenset({"asimddp"})  # every Apple processor of that architecture has it
    return frozenset()


def _available_memory() -> int | None:
    """Return the bytes that could be had without swapping, or None where nobody says."""
    listed = Path("/proc/meminfo")
    if listed.is_file():
        match = re.search(r"^MemAvailable:\s+(\d+) kB$", listed.read_text(), re.MULTILINE)
        return int(match[1]) * 1024 if match else None
    if sys.platform == "darwin":
        shown = subprocess.run(["vm_stat"], capture_output=True, text=True, check=False).stdout
        pages = re.findall(r"Pages (?:free|inactive|speculative):\s+(\d+)", shown)
        return sum(map(int, pages)) * os.sysconf("SC_PAGE_SIZE") if pages else None
    return None
