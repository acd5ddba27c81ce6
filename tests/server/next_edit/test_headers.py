"""Functions and classes that a hunk changes from the outside."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from midspan_server import syntax
from midspan_server.next_edit.headers import changed_from_outside

if TYPE_CHECKING:
    from tests.server.next_edit.conftest import Desk

PYTHON = """\
class Cart:
    owner: str

    def __init__(self,
                 owner):
        self.owner = owner

    def add(self, item): return item


def make(owner):
    return Cart(owner)
"""
SCRIPT = "class Cart {\n  owner: string;\n  add(item: Item) {\n    return item;\n  }\n}\n"
GO = "type Cart struct {\n\tOwner string\n}\n\nfunc (c *Cart) Add(item Item) int {\n\treturn 1\n}\n"
C = "int add(int a)\n{\n  return a;\n}\n"


@pytest.mark.parametrize(
    ("language", "text", "old", "names"),
    [
        ("python", PYTHON, "owner: str", ("Cart",)),
        ("python", PYTHON, "                 owner)", ("Cart",)),
        ("python", PYTHON, "self, item", ("add",)),
        ("python", PYTHON, "make(owner)", ("make",)),
        ("python", PYTHON, "return Cart", ()),
        ("python", PYTHON, "self.owner =", ()),
        ("typescript", SCRIPT, "owner: string", ("Cart",)),
        ("typescript", SCRIPT, "item: Item", ("add",)),
        ("typescript", SCRIPT, "return item", ()),
        ("go", GO, "Owner string", ("Cart",)),
        ("go", GO, "item Item", ("Add",)),
        ("c", C, "int a)", ("add",)),
        ("c", C, "return a", ()),
        ("markdown", "# add\n", "add", ()),
    ],
)
def test_a_header_or_a_field_and_not_a_body(
    desk: Desk, language: str, text: str, old: str, names: tuple[str, ...]
) -> None:
    desk.open("a", text, language)
    document = desk.replace("a", old, old + " ")
    tree = syntax.parse(document)
    found = changed_from_outside(desk.hunks()[0], document, tree) if tree else ()
    assert found == names
