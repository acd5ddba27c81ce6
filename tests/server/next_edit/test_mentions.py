"""Names in strings."""

from __future__ import annotations

import pytest

from midspan_server.next_edit.mentions import mentions
from midspan_server.next_edit.nesting import span_of
from midspan_server.syntax import Syntax


def _count(language: str, text: str) -> int:
    tree = Syntax.from_text(language, text)
    found = mentions(tree.data, "A", span_of(None), tree.tree.root_node)
    assert all(tree.data[one.start : one.end] == b"A" for one in found)
    return len(found)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("def f(x: 'A', y: 'list[A]' = 'A') -> \"A\": ...", 3),
        ("x: Optional['A'] = g('A')", 1),
        ("x: Literal['A']", 0),
        ("x: Annotated[int, 'A']", 0),
        ("x: f'A'", 0),
        ("x: 'm.A'", 0),
        ("f('A')", 0),
        ("__all__ = ['A', 'A B']", 1),
        ("__all__ += ('A',)", 1),
        ("names = ['A']", 0),
        ('def f() -> None:\n    """A"""', 0),
    ],
)
def test_python(text: str, expected: int) -> None:
    assert _count("python", text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('println!("{A} {A:?} {{A}} A {B}")', 2),
        ('log::info!("{{{A}}}")', 1),
        ('write!(f, "{A:>5}")', 1),
        ('println!("{A}", A = 1)', 0),
        ('other!("{A}")', 0),
        ('g("{A}")', 0),
    ],
)
def test_rust(text: str, expected: int) -> None:
    assert _count("rust", f"fn f() {{ {text}; }}") == expected
