"""What a renamed name means, and which identifiers of the old one meant the same."""

from __future__ import annotations

import pytest

from midspan_server.next_edit.binding import Classes, captures, resolve, shorthand_keys, uses
from midspan_server.next_edit.naming import naming
from midspan_server.next_edit.occurrences import Occurrence, occurrences
from midspan_server.syntax import Syntax


class _Renamed:
    """A text in which the name between marks has become `new_name`; `~` is the old name."""

    def __init__(self, language: str, source: str) -> None:
        text = source.replace("~", "old_name").replace("§old_name§", "§")
        start = len(text[: text.index("§")].encode())
        self.tree = Syntax.from_text(language, text.replace("§", "new_name"))
        rules = naming(language)
        assert rules is not None
        self.rules = rules
        self.classes = Classes(self.tree.data, rules)
        self.news = occurrences(self.tree, "new_name")
        self.olds = occurrences(self.tree, "old_name")
        [place] = [one for one in self.news if one.start == start]
        self.target = resolve(place, self.news, self.classes, rules)

    def uses(self) -> list[Occurrence]:
        if self.target is None:
            return []
        return uses(self.target, self.olds, self.news, self.classes, self.rules, "old_name")

    def marked(self) -> str:
        """The text with what is used as `~`."""
        data = self.tree.data
        for one in reversed(self.uses()):
            assert data[one.start : one.end] == b"old_name"
            data = data[: one.start] + b"~" + data[one.end :]
        return data.decode()


def _check(language: str, source: str) -> None:
    assert _Renamed(language, source).marked() == source.replace("§old_name§", "new_name")


_TWO = "class A:\n    def §old_name§(self): pass\nclass B:\n    def old_name(self): pass\n"


@pytest.mark.parametrize(
    "source",
    [
        _TWO + "def f(x: A):\n    x.~()\ndef g(x: B):\n    x.old_name()\n",
        _TWO + "# x = A()\nx = B()\nx.old_name()\n'y = A()'\ny = C()\ny.old_name()\n",
        _TWO + "x = A()\nx.~()\ndef f(x):\n    x.old_name()\n",
        _TWO + "x = A()\nx = B()\nx.old_name()\n",
        _TWO + "x: A | None = None\nx = A()\nx.~()\n",
        _TWO + "def f(x=A()):\n    x.old_name()\n",
        _TWO + "x = A()\nfor x in y:\n    x.old_name()\n",
        _TWO + "x = A()\nz = [x.old_name() for x in y]\n",
        _TWO + "def f() -> A: ...\nx = f()\nx.~()\nf().~()\n",
        _TWO + "@d\ndef f() -> A: ...\nf().old_name()\n",
        _TWO + "class C:\n    box: A\n    def f(self):\n        self.box.~()\n",
        _TWO + "class C(A):\n    def f(self):\n        self.~()\nC().~()\n",
        _TWO + "class C(B, A):\n    def f(self):\n        self.old_name()\n",
        _TWO + "class C(A):\n    def old_name(self): pass\n    def f(s):\n        C().old_name()\n",
        _TWO + "class C(A): pass\nclass D(C):\n    def f(self):\n        self.~()\n",
    ],
)
def test_the_object_of_a_python_member_is_of_the_class(source: str) -> None:
    _check("python", source)


@pytest.mark.parametrize(
    ("language", "source"),
    [
        (
            "typescript",
            (
                "class A { §old_name§() {} }\nclass B { old_name() {} }\n"
                "function f(x: A) { x.~(); }\nfunction g(x: B) { x.old_name(); }"
            ),
        ),
        ("typescript", "class A { §old_name§() {} }\n{ const x = new A(); x.~(); }\nx.old_name();"),
        ("javascript", "class A { §old_name§() {} }\nlet x = new A(); x = new B(); x.old_name();"),
        ("javascript", "class A { §old_name§() {} }\nlet x; x = new A(); x.~();"),
        (
            "javascript",
            (
                "class A { §old_name§() {} f() { g(function () { this.old_name(); }); "
                "g(() => this.~()); return { h() { this.old_name(); } }; } }"
            ),
        ),
        ("java", "class A { void §old_name§() {} void f(A a, B b) { a.~(); b.old_name(); ~(); } }"),
        ("java", "class A { void §old_name§() {} R r = new R() { void run() { old_name(); } }; }"),
        (
            "java",
            (
                "class B { A a; void f() { a.~(); { B a; a.old_name(); } } }\n"
                "class A { void §old_name§() {} A() {} static void g() { A.~(); } }"
            ),
        ),
        ("csharp", "class A { int §old_name§; void F() { var x = new B { old_name = ~ }; } }"),
        (
            "cpp",
            "class A { void §old_name§(); };\nA* A::~() { }\nvoid f(A& a, B& b) "
            "{ a.~(); b.old_name(); }".replace("A* A::~() { }\n", ""),
        ),
        ("cpp", "class A { int §old_name§; int* f(); };\nint* A::f() { return &~; }"),
    ],
)
def test_the_object_of_a_member_is_of_the_class(language: str, source: str) -> None:
    _check(language, source)


@pytest.mark.parametrize(
    "source",
    [
        (
            "func (s *S) §old_name§() {}\nfunc (s *S) b() { s.~() }\nfunc f(t S, u T) "
            "{ t.~(); u.old_name() }\nfunc (t T) old_name() {}\n"
        ),
        "type S struct {\n\t§old_name§ int\n}\nfunc (s *S) f() int { return s.~ }\n",
        (
            "type S struct {\n\t§old_name§ int\n}\nfunc f(s, t S, old_name int) "
            "{ x := &S{~: old_name}; x.~ = t.~; y := T{old_name: 1}; y.old_name = 1 }\n"
        ),
        "type S struct {\n\t§old_name§ int\n}\nvar x, y = []S{{~: 1}}, map[string]S{a: {~: 1}}\n",
        "func f(§old_name§ int) S { return S{old_name: ~} }\n",
        "func f(§old_name§ string) map[string]int { return map[string]int{~: 1} }\n",
        (
            "type S struct {\n\t§old_name§ int\n}\nfunc New() (*S, error) { return nil, nil }\n"
            "func f() { s, err := New(); s.~ = err.old_name }\n"
        ),
        "func §old_name§() {}\nfunc (s S) old_name() { ~() }\n",
        (
            "type S struct {\n\t§old_name§ int\n}\nfunc f(x S) { switch x := y.(type) { "
            "case T: x.old_name() } }\n"
        ),
    ],
)
def test_go(source: str) -> None:
    _check("go", f"package a\n{source}")


_RUST = "struct S { §old_name§: u32 }\n"


@pytest.mark.parametrize(
    "source",
    [
        _RUST + "fn f(a: u32) -> S { S { ~: a } }\n",
        _RUST + 'impl S { fn f(&self) -> u32 { println!("{}", self.~); self.~ } }\n',
        _RUST + "fn f(s: &S, t: T) { let S { ~: b } = s; g(b, t.old_name); }\n",
        (
            "impl S { fn §old_name§(a: u32) -> Self { S } fn f() { Self::~(1); } }\n"
            "fn f() { let s = S::~(2); T::old_name(3); }\n"
        ),
        "fn f() {\n    let §old_name§ = 1;\n    let old_name = ~ + 1;\n    old_name\n}\n",
        "fn f() {\n    let old_name = 1;\n    let §old_name§ = old_name;\n    ~\n}\n",
        "fn f(§old_name§: u32) {\n    let old_name = ~ + 1;\n    old_name\n}\n",
        'fn f(§old_name§: u32) {\n    println!("{~} {{old_name}} {~:?}", a);\n}\n',
        'fn f(§old_name§: u32) {\n    println!("{old_name}", old_name = 1);\n}\n',
        "fn f(§old_name§: u32) {\n    vec![a.old_name, ~, T { old_name: ~ }, T { old_name }];\n}\n",
        "fn f(§old_name§: u32) {\n    if let Some(old_name) = x { old_name } else { 1 }\n}\n",
        "fn f(old_name: u32) {\n    let §old_name§ = old_name + 1;\n    ~\n}\n",
        "fn f() -> u32 { let a = match x { §old_name§ => ~ + 1 }; old_name }\n",
        "fn f(§old_name§: u32) { let T { old_name: a, b } = ~; }\n",
    ],
)
def test_rust(source: str) -> None:
    _check("rust", source)


@pytest.mark.parametrize(
    "source",
    [
        "§old_name§ = 0\ndef f():\n    global ~\n    ~ = 1\n    print(~)\n",
        "§old_name§ = 0\ndef f():\n    global new_name\n    ~ = 1\n    print(~)\n",
        "def f():\n    §old_name§ = 0\n    def g():\n        nonlocal ~\n        ~ = 1\n    ~\n",
        "def f():\n    §old_name§ = 0\n    def g():\n        global old_name\n        old_name\n",
        "class §old_name§:\n    x: '~' = 1\n    def f(self) -> 'list[~]': 'old_name'\n",
        "class §old_name§:\n    x: Literal['old_name']\n    y: '~.x'\n    z: 'm.old_name'\n",
        (
            "__all__ = ['~', 'old_name_2']\n__all__ += ('~',)\nx = ['old_name']\n"
            "def §old_name§(): ...\n"
        ),
        "def old_name():\n    from m import a as §old_name§\n    ~()\n",
        "def f(§old_name§) -> old_name:\n    return ~\n",
        "class §old_name§: ...\ndef f(x: '~'): ...\n",
    ],
)
def test_python_names_beyond_their_scope(source: str) -> None:
    _check("python", source)


@pytest.mark.parametrize(
    ("language", "source"),
    [
        (
            "c",
            (
                "struct s { int §old_name§; };\nstruct s a = { .~ = 3 }, b[] = {{ .~ = 1 }};\n"
                "struct t c = { .old_name = 1 };"
            ),
        ),
        ("c", "typedef struct n { int §old_name§; } T;\nint f(T *t, struct n *n) { return t->~; }"),
        ("c", "typedef struct { int §old_name§; } T;\nint f(T *t) { return t->~; }"),
        (
            "typescript",
            (
                "interface P { §old_name§: number }\nconst a: P = { ~: 1 }, "
                "b: Q = { old_name: 2 }, c = { old_name: 3 };"
            ),
        ),
        (
            "typescriptreact",
            (
                "interface P { §old_name§: string }\n"
                "const A = (p: P) => p.~;\nconst x = <A ~='a' />, y = <B old_name='b' />;"
            ),
        ),
    ],
)
def test_keys(language: str, source: str) -> None:
    _check(language, source)


def test_a_key_that_is_a_variable_too_is_told_apart() -> None:
    source = "interface P { §old_name§: number }\nfunction f(p: P) { const { ~ } = p; ~; }"
    renamed = _Renamed("typescript", source)
    assert renamed.target is not None
    assert renamed.uses() == []
    [key] = shorthand_keys(renamed.target, renamed.olds, renamed.classes)
    assert key.start == renamed.tree.text.index("{ old_name") + 2


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("def f(§old_name§):\n    new_name = ~ * 2\n    return new_name * ~\n", True),
        ("new_name = 3\ndef f(§old_name§):\n    return new_name * ~\n", True),
        ("def f(§old_name§):\n    return ~\n", False),
        (
            "def f(§old_name§):\n    def g(new_name):\n        return new_name\n    return ~\n",
            False,
        ),
        ("def f(§old_name§):\n    return x.new_name + ~\nnew_name = 1\n", False),
    ],
)
def test_a_name_that_was_in_use_is_captured(source: str, expected: bool) -> None:
    renamed = _Renamed("python", source)
    assert renamed.target is not None
    line = renamed.tree.data[: renamed.target.declared_at].count(b"\n")
    assert captures(renamed.target, renamed.news, [(line, line)], renamed.classes) is expected


def test_a_line_that_the_rename_wrote_is_no_capture() -> None:
    renamed = _Renamed("python", "def f(§old_name§):\n    return new_name\n")
    assert renamed.target is not None
    assert not captures(renamed.target, renamed.news, [(0, 0), (1, 1)], renamed.classes)


def test_a_method_whose_new_name_the_class_has_is_not_followed() -> None:
    _check(
        "python",
        "class A:\n    def §old_name§(self): ...\n    def new_name(self): ...\nA().old_name()\n",
    )
