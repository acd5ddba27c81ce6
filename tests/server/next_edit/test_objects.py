"""The class of what an expression gives."""

from __future__ import annotations

import pytest

from midspan_server.next_edit.naming import naming
from midspan_server.next_edit.objects import Objects
from midspan_server.syntax import Syntax


def _class(language: str, text: str) -> str:
    """Of the last `it` in the text."""
    tree, rules = Syntax.from_text(language, text), naming(language)
    assert rules is not None
    start = tree.data.rindex(b"it")
    leaf = tree.tree.root_node.descendant_for_byte_range(start, start + 2)
    assert leaf is not None
    return Objects(tree.data, rules).of(leaf)


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("python", "it: A = x\nit"),
        ("python", "class A: ...\nif (it := A()):\n    it"),
        ("python", "class A: ...\nother = A()\nit = other\nit"),
        ("python", "class A: ...\ndef f():\n    global it\n    it = A()\nit"),
        ("typescript", "const it = (x as A)!; it"),
        ("typescript", "function f(): A {} const it = f(); it"),
        ("java", "class B { void f() { for (A it : l) { g(it); } } }"),
        ("java", "class B { void f() { var it = new A(); g(it); } }"),
        ("csharp", "class B { void F(A? x) { var it = x; G(it); } }"),
        ("cpp", "void f() { auto* it = new A(); g(it); }"),
        ("c", "typedef struct A B; void f(B *it) { g(it); }"),
        ("go", "package a\nfunc f() { it := new(A); g(it) }"),
        ("rust", "fn f() { let it = &mut A { a: 1 }; g(it); }"),
        ("rust", "fn f(x: B) { let it = B::new(); let it: A = it.into(); g(it); }"),
    ],
)
def test_it_is_known(language: str, text: str) -> None:
    assert _class(language, text) == "A"


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("python", "it = A()\nit"),
        ("python", "class A: ...\nit = A()\nit = other()\nit"),
        ("python", "class A: ...\nit, b = A(), 1\nit"),
        ("python", "class A: ...\nwith A() as it:\n    it"),
        ("python", "it = it\nit"),
        ("typescript", "const { it }: A = x; it"),
        ("c", "void f() { A it[3]; g(it); }"),
        ("go", "package a\nfunc f() { for _, it := range []A{} { g(it) } }"),
        ("rust", "fn f(it: A) { if let Some(it) = x { g(it); } }"),
    ],
)
def test_it_is_not_known(language: str, text: str) -> None:
    assert _class(language, text) == ""
