"""Following a rename: what is offered, in which languages, and when it is quiet."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from midspan_server import syntax
from midspan_server.next_edit.follow import Renames
from midspan_server.syntax import Zone

if TYPE_CHECKING:
    from tests.server.next_edit.conftest import Desk

    from midspan_server.next_edit.proposal import Proposal

_MARK = "§"


def _left(desk: Desk) -> list[Proposal]:
    return list(Renames().proposals(desk.hunks(), desk.open_documents()))


def _followed(desk: Desk, marked: str, language: str = "python", name: str = "a.py") -> str:
    """Rename `old_name`, at its first place between marks, to `new_name`; apply what is offered.

    What is offered stands between marks in the result.
    """
    desk.open(name, marked.replace(_MARK, ""), language)
    start = marked.index(_MARK)
    renamed = desk.edit(name, start, start + len("old_name"), "new_name")
    text = renamed.text
    for one in reversed(_left(desk)):
        assert one.snapshot is renamed
        assert text[one.start : one.end] == "old_name"
        text = f"{text[: one.start]}{_MARK}{one.text}{_MARK}{text[one.end :]}"
    return text


def _check(desk: Desk, source: str, language: str, name: str = "a.py") -> None:
    """`source` with the renamed place as `§old_name§` and the expected ones as `@`."""
    marked = source.replace("@", "old_name")
    begin = source.index(_MARK)
    expected = source[:begin] + "new_name" + source[begin + len("§old_name§") :]
    assert _followed(desk, marked, language, name) == expected.replace("@", "§new_name§")


@pytest.mark.parametrize(
    "source",
    [
        "def f(§old_name§):\n    x = @  # old_name\n    return 'old_name', f'{@}'\nold_name\n",
        "def f(*, §old_name§=1):\n    return @\nf(@=2)\nx.f(@=3)\ng(old_name=4)\n",
        "def f(§old_name§=old_name, b: old_name = 1):\n    return @\n",
        "def f(§old_name§: int, b=2):\n    return lambda c: @ + c\n",
        "def f(§old_name§):\n    def g(old_name):\n        return old_name\n    return g(@)\n",
        "§old_name§ = 1\ndef f(old_name):\n    return old_name\nprint(@)\n",
        "def §old_name§(a):\n    return @(a - 1)\nx.old_name(1)\nold_name_2 = @(2)\n",
        "class §old_name§:\n    pass\ndef f(a: @) -> @:\n    return @()\n",
        "def f():\n    §old_name§ = 1\n    @ += 1\n    return @\ndef g():\n    return old_name\n",
        "def f():\n    §old_name§ = 1\n    print(@)\n    old_name = 2\n    return old_name\n",
        "def f(x):\n    §old_name§ = 0\n    if x:\n        @ = 1\n    return @\n",
        "for §old_name§ in x:\n    print(@)\nfor old_name in x:\n    print(old_name)\n",
        "x = [@ for §old_name§ in y]\nold_name = 2\n",
        "def f(§old_name§):\n    match @:\n        case 1:\n            pass\n",
        "with x() as §old_name§:\n    print(@)\n",
        "import §old_name§\n@.path()\n",
        "from m import a as §old_name§\n@.path()\n",
        "class A:\n    def f(self, old_name):\n        self.§old_name§ = old_name + self.@\n",
        "class A:\n    def f(s):\n        pass\n    def §old_name§(self):\n        self.@()\n",
        "class A:\n    def §old_name§(self):\n        pass\na = A()\na.@()\nb.old_name()\n",
        """class A:
    def f(self):
        self.§old_name§ = 1
    def g(self):
        return self.@
class B:
    def f(self):
        return self.old_name
""",
        "class A:\n    §old_name§: int = 1\n    def f(self):\n        return self.@\nA(@=1)\n",
        "class A:\n    def __init__(s, §old_name§):\n        s.x = @\nA(@=1)\nB(old_name=1)\n",
    ],
)
def test_python(desk: Desk, source: str) -> None:
    _check(desk, source, "python")


@pytest.mark.parametrize(
    ("language", "source"),
    [
        ("typescript", "function f(§old_name§: number) { return @ + x.old_name; }\nold_name;"),
        ("typescript", "const §old_name§ = 1;\nfunction f() { return `${@}` + 'old_name'; }"),
        ("typescript", "{ const §old_name§ = 1; @; }\n{ const old_name = 2; old_name; }"),
        ("typescript", "class A { §old_name§ = 1; f() { return this.@; } }\nq.old_name;"),
        ("typescript", "class A { constructor(private §old_name§: X) {} f() { this.@; } }"),
        ("typescript", "interface §old_name§ {}\nlet a: @;\nclass B implements @ {}"),
        ("typescript", "function f(§old_name§, g: (old_name: X) => Y) { return { old_name: @ }; }"),
        ("javascript", "const f = (§old_name§) => @ * 2;\nconst { old_name } = x;"),
        ("javascript", "class A { f() { this.x = 1; } §old_name§() { this.@(); } }"),
        ("go", "package a\nfunc f(§old_name§ int) int {\n\treturn @ + x.old_name\n}\n"),
        ("go", "package a\nfunc §old_name§() {}\nfunc g() { @() }\n"),
        ("java", "class A { int f(int §old_name§) { return @ + g.old_name; } }"),
        ("java", "class A { int §old_name§; int f() { return @ + this.@; } }"),
        ("java", "class A { int §old_name§; int f(int old_name) { return old_name; } }"),
        ("java", "class §old_name§ { @() {} static @ make() { return new @(); } }"),
        ("csharp", "class A { int §old_name§; int F() { return @ + this.@; } }"),
        ("csharp", "class A { int F(int §old_name§) { var a = @; return a; } }"),
        ("c", "int f(int §old_name§) { return @ + p->old_name; }\nint old_name;"),
        ("cpp", "class §old_name§ { public: @(int x); ~@(); };\nvoid @::f() { @ a; }"),
        ("cpp", "struct A { int §old_name§; int f() { return @ + this->@; } };"),
        ("cpp", "class A { int @(); };\nint A::§old_name§() { return @(); }"),
        ("rust", "fn f(§old_name§: i32) -> i32 { let a = @; a + x.old_name }"),
        ("rust", "struct A { §old_name§: i32 }\nimpl A { fn f(&self) -> i32 { self.@ } }"),
    ],
)
def test_other_languages(desk: Desk, language: str, source: str) -> None:
    _check(desk, source, language)


@pytest.mark.parametrize(
    "source",
    [
        "old_name = 1\nnew_name = 2\nprint(§old_name§)\nprint(old_name)\n",
        "print(§old_name§)\nprint(old_name)\n",
        "def old_name():\n    pass\ndef §old_name§():\n    pass\nold_name()\n",
        "def f(old_name):\n    return g(old_name, §old_name§)\n",
        "x.§old_name§ = 1\ny.old_name\n",
        "new_name = 1\ndef f(a):\n    return §old_name§ + old_name\n",
        "def f(§old_name§, new_name):\n    return old_name\n",
        "f(§old_name§=1)\nf(old_name=2)\n",
        "old_name = 1\nx = 2\n§old_name§ = 3\nprint(old_name)\n",
        "new_name = 2\nold_name = 1\n§old_name§ = 3\nprint(old_name)\n",
        "class A:\n    def f(s):\n        self.old_name = 1\n        self.§old_name§ = 2\n",
        """class A:
    def f(self):
        self.new_name = 1
        self.§old_name§ = 2
        return self.old_name
""",
    ],
)
def test_quiet_where_another_declaration_may_be_meant(desk: Desk, source: str) -> None:
    assert _MARK not in _followed(desk, source)


def test_quiet_after_a_copy_of_a_method_got_its_own_name(desk: Desk) -> None:
    source = "int A::old_name() { return 1; }\nint A::§old_name§() { return 2; }\n"
    assert _MARK not in _followed(desk, source, "cpp")


def test_a_language_without_a_table_is_left_alone(desk: Desk) -> None:
    assert _MARK not in _followed(desk, "local §old_name§ = 1\nprint(old_name)\n", "lua")


@pytest.mark.parametrize(
    ("text", "short", "uses"),
    [
        ("def f(a):\n    return a\n", "a", 1),
        ("df = read()\nprint(df)\n", "df", 1),
        ("from m import load as rd\nrd()\nrd.x\n", "rd", 2),
        ("class A:\n    def f(self):\n        self.ab = 1\n        return self.ab\n", "ab", 0),
    ],
)
def test_a_short_name_is_followed_unless_it_is_a_member(
    desk: Desk, text: str, short: str, uses: int
) -> None:
    desk.open("a.py", text)
    desk.replace("a.py", short, "longer", text.count(short) - uses - 1 if uses else 0)
    assert len(_left(desk)) == uses


def test_a_short_name_is_not_followed_into_other_files(desk: Desk) -> None:
    desk.open("a.py", "df = 1\nprint(df)\n")
    desk.open("b.py", "from a import df\nprint(df)\n")
    desk.replace("a.py", "df", "frame")
    assert [one.snapshot.path for one in _left(desk)] == [desk.documents["a.py"].path]


def test_a_shorthand_keeps_its_key(desk: Desk) -> None:
    desk.open("a.ts", "function f(width: number) { return { width }; }", "typescript")
    desk.replace("a.ts", "width", "breadth")
    [one] = _left(desk)
    assert one.applied() == "function f(breadth: number) { return { width: breadth }; }"


@pytest.mark.parametrize(
    "source",
    [
        "def area(§old_name§):\n    new_name = old_name * 2\n    return new_name * old_name\n",
        "new_name = 3\ndef area(§old_name§):\n    return new_name * old_name\n",
    ],
)
def test_quiet_where_the_new_name_means_something_already(desk: Desk, source: str) -> None:
    _check(desk, source, "python")


def test_a_shorthand_of_a_renamed_field_keeps_its_variable(desk: Desk) -> None:
    source = "struct B { §old_name§: u32 }\nimpl B { fn n(old_name: u32) -> Self { Self { @ } } }\n"
    marked = source.replace("@", "old_name")
    expected = source.replace("§old_name§", "new_name").replace("@", "§new_name: old_name§")
    assert _followed(desk, marked, "rust", "a.rs") == expected


def test_an_entry_of_all_is_followed_though_it_is_the_last_use(desk: Desk) -> None:
    _check(desk, "__all__ = ['@']\ndef §old_name§(): ...\n", "python")


def test_an_edit_elsewhere_after_the_rename_does_not_end_it(desk: Desk) -> None:
    desk.open("a.py", "def f(width):\n    return width\n\nx = 1\n")
    desk.replace("a.py", "width", "breadth")
    desk.replace("a.py", "x = 1", "x = 12")
    assert len(_left(desk)) == 1


@pytest.mark.parametrize(
    ("name", "language", "home", "other", "expected"),
    [
        ("b.py", "python", "def width(): pass", "from a import width\nwidth()\nx.width\n", 2),
        ("b.py", "python", "def width(): pass", "import a\na.width()\nwidth\n", 1),
        ("b.py", "python", "def width(): pass", "from c import width\nwidth()\n", 0),
        ("b.py", "python", "def width(): pass", "from a import width as w\nw()\nwidth\n", 1),
        ("b.py", "python", "import width", "import width\nwidth()\n", 0),
        (
            "b.py",
            "python",
            "def width(): pass",
            "from a import width\ndef f(width):\n    return width\n",
            1,
        ),
        (
            "b.ts",
            "typescript",
            "export function width() {}",
            "import { width } from './a';\nwidth();",
            2,
        ),
        (
            "b.ts",
            "typescript",
            "export function width() {}",
            "import { width } from './c';\nwidth();",
            0,
        ),
        ("b.go", "go", "package a\nfunc width() {}", "package a\nfunc f() { width() }", 1),
        ("b.c", "c", "int width(int a);", '#include "a.c"\nint f() { return width(1); }', 1),
        ("b.c", "c", "int width(int a);", "int f() { return width(1); }", 0),
    ],
)
def test_other_files_say_by_their_imports_what_they_mean(
    desk: Desk, name: str, language: str, home: str, other: str, expected: int
) -> None:
    own = f"a.{name.rsplit('.', 1)[1]}"
    desk.open(own, home, language)
    desk.open(name, other, language)
    desk.replace(own, "width", "breadth")
    found = _left(desk)
    assert [one.snapshot.path for one in found] == [desk.documents[name].path] * expected


def test_the_last_use_is_followed_when_the_declaration_has_left_the_history(desk: Desk) -> None:
    uses = "".join(f"\n    a{at} = width\n" for at in range(70))
    desk.open("a.py", f"def f(width):\n{uses}")
    desk.replace("a.py", "width", "breadth")
    following, taken = Renames(), 0
    while found := list(following.proposals(desk.hunks(), desk.open_documents())):
        desk.edit("a.py", found[0].start, found[0].end, found[0].text)
        taken += 1
    assert taken == 70


def test_a_parameter_that_has_left_the_history_is_not_taken_for_a_variable(desk: Desk) -> None:
    home = "breadth = 1\ndef f(width):\n    pass\nprint(width)\n"
    desk.open("a.py", home)
    desk.open("b.py", "from a import f\n" + "\nf(width=1)\n" * 70)
    desk.replace("a.py", "width", "breadth")
    following = Renames()
    while found := list(following.proposals(desk.hunks(), desk.open_documents())):
        assert found[0].snapshot is desk.documents["b.py"]
        desk.edit("b.py", found[0].start, found[0].end, found[0].text)
    assert "breadth" in desk.documents["b.py"].text


def test_uses_on_adjoining_lines_taken_quickly_are_all_followed(desk: Desk) -> None:
    uses = "".join(f"    a{at} = width + {at}\n" for at in range(100))
    desk.open("a.py", f"def f(width):\n{uses}")
    following, taken = Renames(), 0
    desk.replace("a.py", "width", "breadth")
    while found := list(following.proposals(desk.hunks(), desk.open_documents())):
        desk.at -= 29.5
        desk.edit("a.py", found[0].start, found[0].end, found[0].text)
        taken += 1
    assert taken == 100
    assert len(desk.hunks()) < 10


_PIECES = [
    "def f(width, b):\n    return width + b\n",
    "width = 1\n",
    "# width\n",
    'x = \'width\' + """width\nwidth"""\n',
    "f(width=2)\n",
    "self.width = width\n",
    "class width:\n    width = 1\n",
    "for width in y:\n    print(f'width {width}')\n",
    "\xe4 = '\U0001f600'; print(width)\n",
    "import width\n",
    "def (:\n",
]


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.sampled_from(_PIECES), min_size=1, max_size=8), st.integers(0, 30))
def test_every_edit_renames_one_identifier_in_code(
    desk: Desk, pieces: list[str], number: int
) -> None:
    text = "".join(pieces)
    desk.history.forget(desk.open("a.py", text).uri)
    number %= max(text.count("width"), 1)
    if "width" not in text:
        return
    renamed = desk.replace("a.py", "width", "breadth", number)
    tree = syntax.parse(renamed)
    assert tree is not None
    damage = tree.damage()
    for one in _left(desk):
        assert renamed.text[one.start : one.end] == "width"
        assert (one.snapshot, one.text) == (renamed, "breadth")
        assert tree.zone(one.start + 1) is Zone.CODE
        changed = syntax.Syntax.from_text("python", one.applied())
        assert changed.damage().is_within(damage, one.text)
