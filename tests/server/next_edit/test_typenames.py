"""Which class a type speaks of."""

from __future__ import annotations

import pytest

from midspan_server.next_edit.typenames import class_of_type


@pytest.mark.parametrize(
    "text",
    [
        "A",
        ": A",
        "'A'",
        "A | None",
        "None | A",
        "Optional[A]",
        "A[int]",
        "*A",
        "&A",
        "&mut A",
        "&'a mut A",
        "A?",
        "struct A",
        "const A &",
        "A<B, C>",
        "Box<A>",
        "A | undefined",
    ],
)
def test_one_class(text: str) -> None:
    assert class_of_type(text) == "A"


@pytest.mark.parametrize(
    "text",
    ["", "A | B", "m.A", "std::A", "[]A", "A[]", "map[string]A", "A & B", "(a: A) => B", "A B"],
)
def test_no_class_or_more_than_one(text: str) -> None:
    assert class_of_type(text) == ""


@pytest.mark.parametrize("text", ["list[A]", "Vec<A>", "Promise<A>", "dict[A, A]"])
def test_what_holds_objects_is_not_of_their_class(text: str) -> None:
    assert class_of_type(text) not in {"", "A"}
