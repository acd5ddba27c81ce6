"""Pieces of other files for a next edit: what the person changed decides which."""

from __future__ import annotations

from typing import TYPE_CHECKING

from midspan_server.next_edit.beyond import snippets

if TYPE_CHECKING:
    from tests.server.next_edit.conftest import Desk

SHAPES = "class Shape:\n    def surface_area(self, unit):\n        return unit\n"
LOGS = "def configure_logging(level):\n    return level\n"
USE = "from shapes import Shape\n\nprint(Shape().surface_area('cm'))\n"


def _texts(desk: Desk, uri: str, budget: int = 600) -> list[str]:
    return [one.text for one in snippets(desk.hunks(), desk.open_documents(), uri, budget)]


def test_the_definition_of_a_name_that_was_written_is_found(desk: Desk) -> None:
    desk.open("shapes.py", SHAPES)
    desk.open("logs.py", LOGS)
    desk.open("a.py", "shape = None\n")
    document = desk.replace("a.py", "shape = None", "shape = make().surface_area('cm')")
    [text] = _texts(desk, document.uri)
    assert "def surface_area" in text


def test_the_use_of_a_name_that_was_changed_is_found(desk: Desk) -> None:
    desk.open("use.py", USE)
    desk.open("logs.py", LOGS)
    other = desk.open("b.py", "def draw(shape):\n    return shape.surface_area('cm')\n")
    desk.open("shapes.py", SHAPES)
    desk.replace("shapes.py", "surface_area(self, unit)", "surface_area(self, unit, digits)")
    texts = _texts(desk, other.uri)
    assert any("print(Shape()" in text for text in texts)
    assert not any("configure_logging" in text for text in texts)


def test_the_file_that_is_to_be_edited_is_none_of_them(desk: Desk) -> None:
    document = desk.open("shapes.py", SHAPES)
    desk.replace("shapes.py", "surface_area", "outer_area")
    assert _texts(desk, document.uri) == []


def test_a_budget_of_nothing_gives_nothing(desk: Desk) -> None:
    desk.open("shapes.py", SHAPES)
    document = desk.open("a.py", "x = 1\n")
    desk.replace("a.py", "x = 1", "x = surface_area(Shape)")
    assert _texts(desk, document.uri, 0) == []
    assert _texts(desk, document.uri) != []
