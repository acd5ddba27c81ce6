"""`midspan doctor`: what works on this machine, what does not, and what to do about it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from midspan_engine.commands import doctor_engine, doctor_gpu, doctor_machine

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from midspan_engine.commands.doctor_machine import Finding

HELP = "say what works, what does not, and what to do about it"

_COLOURS = {"ok": "\033[32m", "warn": "\033[33m", "fail": "\033[31m"}
_PLAIN = "\033[0m"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--model", default=None, help="the model to look for")


def run(args: argparse.Namespace) -> int:
    """Print one line for each finding; 1 if something that is needed fails."""
    failed = False
    for finding in _findings(args.model):
        failed |= finding.grade == "fail"
        _show(finding)
    print("something that is needed fails" if failed else "everything that is needed works")
    return int(failed)


def _findings(model: str | None) -> Iterator[Finding]:
    yield doctor_machine.python()
    yield doctor_machine.processor()
    yield doctor_machine.memory()
    yield from doctor_gpu.gpu()
    yield from doctor_machine.packages()
    yield doctor_machine.grammars()
    yield doctor_engine.cache_folder()
    yield doctor_engine.state_folder()
    yield doctor_engine.model_files(model)
    yield doctor_engine.engine()


def _show(finding: Finding) -> None:
    coloured = sys.stdout.isatty()
    before, after = (_COLOURS[finding.grade], _PLAIN) if coloured else ("", "")
    print(f"{before}{finding.grade:<4}{after}  {finding.subject:<14}{finding.found}")
    if finding.remedy:
        print(f"{'':<20}-> {finding.remedy}")
