"""What a name means in another file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from midspan_server.next_edit.follow import Renames

if TYPE_CHECKING:
    from tests.server.next_edit.conftest import Desk


def _renamed(desk: Desk, home: str, text: str, other: str, there: str) -> str:
    """The other file after `old` became `fresh` in the first line of `home`."""
    languages = {"py": "python", "ts": "typescript", "c": "c", "h": "c", "go": "go"}
    for name, source in ((home, text), (other, there)):
        desk.open(name, source, languages[name.rsplit(".", 1)[1]])
    desk.replace(home, "old", "fresh")
    following = Renames()
    while left := list(following.proposals(desk.hunks(), desk.open_documents())):
        name = next(one for one, document in desk.documents.items() if document is left[0].snapshot)
        desk.edit(name, left[0].start, left[0].end, left[0].text)
    return desk.documents[other].text


@pytest.mark.parametrize(
    ("there", "expected"),
    [
        ("from .a import old\nold()\n", "from .a import fresh\nfresh()\n"),
        ("from pkg.a import old as x\nold()\n", "from pkg.a import fresh as x\nold()\n"),
        ("from .a import x as old\nold()\n", "from .a import x as old\nold()\n"),
        ("from .b import old\nold()\n", "from .b import old\nold()\n"),
        ("from . import a\na.old()\n", "from . import a\na.fresh()\n"),
        ("from pkg import a as q\nq.old()\n", "from pkg import a as q\nq.fresh()\n"),
        ("import pkg.a\npkg.a.old()\n", "import pkg.a\npkg.a.fresh()\n"),
        ("import pkg.a as q\nq.old()\n", "import pkg.a as q\nq.fresh()\n"),
        ("import pkg.b, pkg.a\npkg.b.old()\n", "import pkg.b, pkg.a\npkg.b.old()\n"),
        ("def f(a):\n    a.old()\n", "def f(a):\n    a.old()\n"),
        ("from . import a\na = x()\na.old()\n", "from . import a\na = x()\na.old()\n"),
        ("from . import x as a\na.old()\n", "from . import x as a\na.old()\n"),
    ],
)
def test_python(desk: Desk, there: str, expected: str) -> None:
    assert _renamed(desk, "pkg/a.py", "def old(): pass\n", "pkg/c.py", there) == expected


@pytest.mark.parametrize(
    ("there", "expected"),
    [
        ("import { old } from './a';\nold();", "import { fresh } from './a';\nfresh();"),
        ("import { old as x } from './a';\nold();", "import { fresh as x } from './a';\nold();"),
        ("import { x as old } from './a';\nold();", "import { x as old } from './a';\nold();"),
        ("import * as q from './a';\nq.old();", "import * as q from './a';\nq.fresh();"),
        ("import * as a from './b';\na.old();", "import * as a from './b';\na.old();"),
        ("import old from './a';\nold();", "import old from './a';\nold();"),
        ("export { old } from './a';", "export { fresh } from './a';"),
        ("import { old } from 'lib/a';\nold();", "import { old } from 'lib/a';\nold();"),
    ],
)
def test_typescript(desk: Desk, there: str, expected: str) -> None:
    home = "export function old() {}\n"
    found = _renamed(desk, "pkg/a.ts", home, "pkg/c.ts", there)
    assert found == expected


@pytest.mark.parametrize(
    ("other", "include", "is_followed"),
    [
        ("src/b.c", '"a.h"', True),
        ("src/b.c", '"../lib/a.h"', True),
        ("src/b.c", '"../other/a.h"', False),
        ("src/b.c", '"other/a.h"', False),
        ("src/b.c", "<lib/a.h>", True),
        ("src/b.c", "<a.h>", False),
    ],
)
def test_c_says_by_the_path_that_it_includes(
    desk: Desk, other: str, include: str, *, is_followed: bool
) -> None:
    there = f"#include {include}\nint f() {{ return old(1); }}\n"
    found = _renamed(desk, "lib/a.h", "int old(int a);\n", other, there)
    assert ("fresh(1)" in found) is is_followed


def test_go_says_by_the_folder(desk: Desk) -> None:
    there = "package p\nfunc f() { old() }\n"
    assert "fresh()" in _renamed(desk, "p/a.go", "package p\nfunc old() {}\n", "p/b.go", there)


def test_go_leaves_another_folder_alone(desk: Desk) -> None:
    there = "package p\nfunc f() { old() }\n"
    assert _renamed(desk, "p/a.go", "package p\nfunc old() {}\n", "q/b.go", there) == there
