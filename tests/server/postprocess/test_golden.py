"""Every filter and the whole pipeline against marked text: `├` and `┤` enclose the suggestion."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from midspan_server.postprocess import FILTERS, Place, postprocess
from midspan_server.snapshot import DocumentSnapshot
from midspan_server.trigger import ScopeDecision

_GOLDEN = Path(__file__).parent / "golden"
_BY_NAME = {filter_.__name__: filter_ for filter_ in (*FILTERS, postprocess)}


@dataclass(frozen=True)
class Case:
    folder: str
    name: str
    place: Place
    text: str
    expected: str | None


def _cases() -> list[Case]:
    return [
        _case(file.parent.name, part)
        for file in sorted(_GOLDEN.glob("*/*.txt"))
        for part in file.read_text("utf-8").split("=== ")[1:]
    ]


def _case(folder: str, part: str) -> Case:
    head, rest = part.split("\n---\n", 1)
    marked, expected = rest.split("\n--->\n", 1)
    name, *fields = head.split("\n")
    options = dict(field.split(": ", 1) for field in fields)
    crlf = options.get("line-ends") == "crlf"
    before, text, after = _split(marked)
    wanted = None if expected.strip() == "dropped" else _split(expected)
    if wanted is not None:
        assert (wanted[0], wanted[2].rstrip("\n")) == (before, after), f"{name}: the code changed"
    snapshot = DocumentSnapshot(
        uri=f"file:///golden/{folder}/{name}",
        path=None,
        version=1,
        language=options.get("language", "python"),
        text=_with_ends(before + after + "\n", crlf=crlf),
    )
    place = Place(
        snapshot, len(_with_ends(before, crlf=crlf)), _scope(options.get("scope", "line"))
    )
    return Case(folder, name, place, text, wanted and _with_ends(wanted[1], crlf=crlf))


def _split(marked: str) -> tuple[str, str, str]:
    before, rest = marked.split("├")
    text, after = rest.split("┤")
    return before, text, after


def _with_ends(text: str, *, crlf: bool) -> str:
    return text.replace("\n", "\r\n") if crlf else text


def _scope(option: str) -> ScopeDecision:
    if option == "line":
        return ScopeDecision()
    return ScopeDecision(scope="block", block_indent=int(option.removeprefix("block ")))


@pytest.mark.parametrize("case", _cases(), ids=lambda case: f"{case.folder}: {case.name}")
def test_golden(case: Case) -> None:
    assert _BY_NAME[case.folder](case.text, case.place) == case.expected


def test_every_filter_has_golden_cases() -> None:
    assert {case.folder for case in _cases()} == set(_BY_NAME)


@pytest.mark.parametrize("case", _cases(), ids=lambda case: f"{case.folder}: {case.name}")
def test_what_the_pipeline_lets_through_it_lets_through_again(case: Case) -> None:
    once = postprocess(case.text, case.place)
    assert once is None or postprocess(once, case.place) == once
