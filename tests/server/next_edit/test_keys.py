"""Which class an identifier is a key of."""

from __future__ import annotations

import pytest

from midspan_server.next_edit.keys import Key, key_of
from midspan_server.next_edit.naming import naming
from midspan_server.next_edit.objects import Objects
from midspan_server.syntax import Syntax


def _key(language: str, text: str, name: str = "key") -> Key | None:
    tree, rules = Syntax.from_text(language, text), naming(language)
    assert rules is not None
    start = tree.data.index(name.encode())
    leaf = tree.tree.root_node.descendant_for_byte_range(start, start + len(name))
    assert leaf is not None
    return key_of(leaf, Objects(tree.data, rules))


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("typescript", "const a: A = { key: 1 };"),
        ("typescript", "function f(): A { return ({ key: 1 }); }"),
        ("typescript", "const f = (): A => ({ key: 1 });"),
        ("typescript", "f({ key: 1 } as A);"),
        ("typescript", "f(<A>{ key: 1 });"),
        ("typescript", "f(0, { key: 1 }); function f(b: B, a: A) {}"),
        ("typescript", "const { key: x } = a; const a = new A();"),
        ("typescript", "function f({ key: x = 1 }: A) {}"),
        ("typescriptreact", "const x = <C key='1' />; function C({ a }: A) {}"),
        ("go", "package a\nvar a = &A{key: 1}\n"),
        ("go", "package a\nvar a = []*A{{key: 1}}\n"),
        ("rust", "fn f() { A { key: 1 }; }"),
        ("rust", "impl A { fn f() { Self { key: 1 }; } }"),
        ("rust", "fn f() { let A { key: x } = y; }"),
        ("c", "struct A a = { .key = 1 };"),
        ("c", "void f() { g((struct A){ .key = 1 }); }"),
        ("c", "struct A a[] = { { .key = 1 } };"),
        ("csharp", "class B { void F() { var a = new A { key = 1 }; } }"),
    ],
)
def test_a_key_says_its_class(language: str, text: str) -> None:
    assert _key(language, text) == Key("A")


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("typescript", "const a: A = { key };"),
        ("typescript", "function f({ key }: A) {}"),
        ("typescript", "function f({ key = 1 }: A) {}"),
        ("rust", "fn f() { A { key }; }"),
        ("rust", "fn f() { let A { key } = y; }"),
    ],
)
def test_a_key_may_name_a_variable_too(language: str, text: str) -> None:
    assert _key(language, text) == Key("A", is_shorthand=True)


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("typescript", "const a = { key: 1 };"),
        ("typescript", "const a: A = { b: { key: 1 } };"),
        ("typescript", "const { b: { key: x } }: A = y;"),
        ("typescript", "f({ key: 1 }); function f(a) {}"),
        ("typescriptreact", "const x = <C key='1' />;"),
        ("go", "package a\nvar a = [][]A{{{key: 1}}}\n"),
        ("c", "struct A a = { { .key = 1 } };"),
    ],
)
def test_a_key_of_nobody_knows_what(language: str, text: str) -> None:
    assert _key(language, text) == Key("")


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("go", "package a\nvar a = map[string]A{key: 1}\n"),
        ("go", "package a\nvar a = A{b: key}\n"),
        ("rust", "fn f() { A { b: key }; }"),
        ("typescript", "const a: A = { b: key };"),
        ("python", "f(key=1)"),
    ],
)
def test_what_is_no_key(language: str, text: str) -> None:
    assert _key(language, text) is None
