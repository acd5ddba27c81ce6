from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from midspan_server.example_project import (
    GAPS,
    ExamplesMissing,
    Gap,
    example_folder,
    unfinished,
)
from midspan_server.snapshot import DocumentSnapshot
from midspan_server.syntax import parse

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("gap", GAPS, ids=lambda gap: f"{gap.file}-{gap.behind[-12:]!r}")
def test_each_gap_is_in_its_file_and_the_cursor_stands_in_it(gap: Gap) -> None:
    place = unfinished(example_folder(), gap)
    assert place.before.endswith(gap.behind)
    whole = place.path.read_text(encoding="utf-8")
    assert place.before + gap.left_out + place.after == whole
    line = place.text.split("\n")[place.line]
    assert place.before.endswith("\n" + line[: place.character])


def test_the_gaps_show_three_languages() -> None:
    folder = example_folder()
    assert {unfinished(folder, gap).language for gap in GAPS} == {"python", "typescript", "go"}


@pytest.mark.parametrize("name", sorted({gap.file for gap in GAPS}))
def test_the_example_files_are_whole_and_without_a_syntax_error(name: str) -> None:
    place = unfinished(example_folder(), next(gap for gap in GAPS if gap.file == name))
    text = place.path.read_text(encoding="utf-8")
    tree = parse(
        DocumentSnapshot(
            uri=f"untitled:{name}", path=None, version=0, language=place.language, text=text
        )
    )
    assert tree is not None
    assert not tree.tree.root_node.has_error


def test_a_file_that_was_changed_is_refused(tmp_path: Path) -> None:
    (tmp_path / "cart.ts").write_text("export {}\n")
    gap = replace(GAPS[0], file="cart.ts")
    with pytest.raises(ExamplesMissing, match=r"cart\.ts is not the example file"):
        unfinished(tmp_path, gap)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ExamplesMissing):
        unfinished(tmp_path, GAPS[0])
