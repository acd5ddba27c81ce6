"""Which file an import means."""

from __future__ import annotations

from pathlib import Path

import pytest

from midspan_server import syntax
from midspan_server.next_edit.imports import Origin, is_alias, is_from, is_module, origin
from midspan_server.next_edit.occurrences import occurrences
from midspan_server.snapshot import DocumentSnapshot


def _file(path: str) -> DocumentSnapshot:
    language = "python" if path.endswith("py") else "typescript"
    return DocumentSnapshot(uri=path, path=Path(path), version=1, language=language, text="")


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("python", "from m.n import old", Origin("m.n", "old")),
        ("python", "from .m import old as x", Origin(".m", "old")),
        ("python", "from . import x as old", Origin(".", "x")),
        ("python", "import old.x", Origin("old.x", "")),
        ("python", "import m.n as old", Origin("m.n", "")),
        ("python", "from old import x", None),
        ("python", "from .old import x", None),
        ("python", "old()", None),
        ("typescript", "import { old } from './m'", Origin("./m", "old")),
        ("typescript", "import { x as old } from './m'", Origin("./m", "x")),
        ("typescript", "import * as old from './m'", Origin("./m", "")),
        ("typescript", "import old from './m'", None),
        ("typescript", "export { old } from './m'", Origin("./m", "old")),
        ("typescript", "export { old }", None),
        ("typescript", "export const old = 1", None),
    ],
)
def test_origin(language: str, text: str, expected: Origin | None) -> None:
    [one] = occurrences(syntax.Syntax.from_text(language, text), "old")
    assert origin(one.node) == expected
    assert is_alias(one.node) == ("x as old" in text or "n as old" in text)


@pytest.mark.parametrize(
    ("home", "other", "written", "expected"),
    [
        ("/p/shop/models.py", "/p/shop/views.py", ".models", True),
        ("/p/shop/models.py", "/p/blog/views.py", ".models", False),
        ("/p/shop/models.py", "/p/blog/views.py", "..shop.models", True),
        ("/p/shop/models.py", "/p/blog/views.py", "shop.models", True),
        ("/p/shop/models.py", "/q/views.py", "shop.models", True),
        ("/p/shop/models.py", "/p/blog/views.py", "blog.models", False),
        ("/p/shop/models.py", "/p/blog/views.py", "shop", False),
        ("/p/shop/__init__.py", "/p/blog/views.py", "shop", True),
        ("/p/shop/__init__.py", "/p/shop/views.py", ".", True),
        ("/p/shop/__init__.py", "/p/shop/deep/views.py", ".", False),
        ("/p/x/utils.py", "/p/b.py", "utils", False),
        ("/p/x/utils.py", "/p/b.py", "requests.utils", False),
        ("/p/src/utils.py", "/p/tests/b.py", "utils", True),
        ("/p/utils.py", "/p/x/b.py", "utils", True),
        ("/p/queue.py", "/p/b.py", "queue", False),
        ("/p/a.py", "/p/b.py", "." * 9 + "a", False),
        ("/p/a/utils.ts", "/p/a/b.ts", "./utils", True),
        ("/p/a/utils.ts", "/p/a/b.ts", "./utils.js", True),
        ("/p/a/utils.d.ts", "/p/a/b.ts", "./utils", True),
        ("/p/a/utils.ts", "/p/b.ts", "./a/utils", True),
        ("/p/a/utils.ts", "/p/b/b.ts", "../a/utils", True),
        ("/p/a/utils.ts", "/p/b/b.ts", "../other/utils", False),
        ("/p/a/utils.ts", "/p/b/b.ts", "lodash/utils", False),
        ("/p/a/utils.ts", "/p/a/b.ts", "utils", False),
        ("/p/a/index.ts", "/p/b.ts", "./a", True),
        ("/p/a/index.ts", "/p/a/b.ts", ".", True),
        ("/p/a/index.ts", "/p/a/b/c.ts", "..", True),
        ("/p/a/index.ts", "/p/b.ts", "./b", False),
    ],
)
def test_the_file_that_an_import_means(
    home: str, other: str, written: str, *, expected: bool
) -> None:
    found = is_from(Origin(written, "x"), "x", _file(home), _file(other))
    assert found is expected
    assert is_module(Origin(written, ""), _file(home), _file(other)) is expected
    assert not is_from(Origin(written, "y"), "x", _file(home), _file(other))


def test_a_module_taken_from_its_package() -> None:
    home, other = _file("/p/shop/models.py"), _file("/p/shop/views.py")
    assert is_module(Origin("shop", "models"), home, other)
    assert is_module(Origin(".", "models"), home, other)
    assert not is_module(Origin(".", "views"), home, other)
    assert not is_module(Origin("./a", "b"), _file("/p/a/b.ts"), _file("/p/c.ts"))
