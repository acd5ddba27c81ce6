"""Uses of a file's top-level name in another file, by the imports alone."""

from __future__ import annotations

import re
from os.path import normpath
from pathlib import PurePath
from typing import TYPE_CHECKING

from midspan_server.next_edit.imports import (
    file_of,
    is_alias,
    is_from,
    is_module,
    may_import,
    origin,
)
from midspan_server.next_edit.occurrences import Occurrence, occurrences

if TYPE_CHECKING:
    from midspan_server.next_edit.renames import Rename
    from midspan_server.snapshot import DocumentSnapshot
    from midspan_server.syntax import Syntax

_INCLUDE = re.compile(r"^\s*#\s*include\s*([\"<])([^\">]+)[\">]", re.MULTILINE)


def may_use(home: DocumentSnapshot, other: DocumentSnapshot, name: str) -> bool:
    """Whether `other` is worth parsing to find uses of `name`, declared in `home`.

    Python and the JavaScript family say so by their imports, C and C++ by their includes, Go and
    Java by the folder.
    """
    if name not in other.text:
        return False
    if _has_imports(other):
        return may_import(other, home)
    if other.language in {"c", "cpp", "cuda-cpp"}:
        return _includes(other, home) or _includes(home, other)
    return other.language in {"go", "java"} and file_of(home).parent == file_of(other).parent


def uses_elsewhere(
    home: DocumentSnapshot, other: DocumentSnapshot, tree: Syntax, rename: Rename
) -> list[Occurrence]:
    """The identifiers in `other` that mean what was renamed in `home`; none where it is not sure.

    Args:
        home: Declares the name.
        other: A document that `may_use` it.
        tree: Of `other`.
        rename: At the top level of `home`.
    """
    found = occurrences(tree, rename.old)
    if not found:
        return []
    return _imported(found, home, other, tree, rename) if _has_imports(other) else _shared(found)


def _has_imports(document: DocumentSnapshot) -> bool:
    return document.language == "python" or "script" in document.language


def _imported(
    found: list[Occurrence],
    home: DocumentSnapshot,
    other: DocumentSnapshot,
    tree: Syntax,
    rename: Rename,
) -> list[Occurrence]:
    """The import of the name, what it binds in the file, and `module.name`.

    The import is what is followed first, so it may have the new name already.
    """

    def imports(one: Occurrence, name: str) -> bool:
        taken = None if is_alias(one.node) else origin(one.node)
        return taken is not None and is_from(taken, name, home, other)

    chosen = [one for one in found if imports(one, rename.old)]
    renamed = [one for one in occurrences(tree, rename.new) if imports(one, rename.new)]
    bound = [one for one in (*chosen, *renamed) if one.binding == "import"]
    again = [one for one in found if one.is_strong and one.scope is None and one not in bound]
    if bound and not again:
        inner = [one for one in found if one.is_plain and one.binding and one.scope is not None]
        chosen += [one for one in found if one.is_plain and not _is_held(one, inner)]
    owners = {one.owner for one in found if one.owner}
    modules = {one for one in owners if is_home(one, tree, home, other)}
    chosen += [one for one in found if one.owner in modules]
    return sorted({one.start: one for one in chosen}.values(), key=lambda one: one.start)


def is_home(owner: str, tree: Syntax, home: DocumentSnapshot, other: DocumentSnapshot) -> bool:
    """Whether `owner`, as in `owner.name`, is nothing in `other` but the imported module `home`."""
    head = owner.partition(".")[0]
    bound = [one for one in occurrences(tree, head) if one.is_plain and one.binding]
    if any(one.binding != "import" for one in bound):
        return False
    taken = [found for one in bound if (found := origin(one.node)) is not None]
    if head != owner:
        taken = [one for one in taken if (one.module, one.name) == (owner, "")]
    return any(is_module(one, home, other) for one in taken)


def _is_held(one: Occurrence, inner: list[Occurrence]) -> bool:
    return any(
        other.scope is not None and other.scope.start_byte <= one.start < other.scope.end_byte
        for other in inner
    )


def _shared(found: list[Occurrence]) -> list[Occurrence]:
    """All plain uses, and the other half of a prototype, unless the file declares its own."""
    if any(one.is_strong and one.binding not in {"function", "prototype"} for one in found):
        return []
    return [one for one in found if one.is_plain]


def _includes(one: DocumentSnapshot, other: DocumentSnapshot) -> bool:
    """Whether `one` includes the file of `other`; the last name alone says so between quotes."""
    file = file_of(other)
    for quote, written in _INCLUDE.findall(one.text):
        path = PurePath(normpath(written))
        if PurePath(normpath(file_of(one).parent / written)) == file:
            return True
        is_whole = quote == '"' or len(path.parts) > 1
        if is_whole and ".." not in path.parts and file.parts[-len(path.parts) :] == path.parts:
            return True
    return False
