"""Uses of a file's top-level name in another file, by the imports alone."""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import TYPE_CHECKING

from midspan_server.next_edit.occurrences import Occurrence, enclosing, occurrences

if TYPE_CHECKING:
    import tree_sitter

    from midspan_server.next_edit.renames import Rename
    from midspan_server.snapshot import DocumentSnapshot
    from midspan_server.syntax import Syntax

_STATEMENTS = frozenset({"import_from_statement", "import_statement", "export_statement"})
_FOLDER_FILES = frozenset({"__init__", "index", "mod"})
_INCLUDE = re.compile(r"^\s*#\s*include\s*[\"<]([^\">]+)[\">]", re.MULTILINE)


def uses_elsewhere(
    home: DocumentSnapshot, other: DocumentSnapshot, tree: Syntax, rename: Rename
) -> list[Occurrence]:
    """The identifiers in `other` that mean what was renamed in `home`; none where it is not sure.

    Python and the JavaScript family say so by their imports, C and C++ by their includes, Go and
    Java by the folder.
    """
    found = occurrences(tree, rename.old)
    if not found:
        return []
    if other.language == "python" or "script" in other.language:
        return _imported(found, occurrences(tree, rename.new), home)
    if other.language in {"c", "cpp", "cuda-cpp"}:
        is_related = _includes(home, other)
    else:
        is_related = other.language in {"go", "java"} and _folder(home) == _folder(other)
    return _shared(found) if is_related else []


def _imported(
    found: list[Occurrence], renamed: list[Occurrence], home: DocumentSnapshot
) -> list[Occurrence]:
    """The import of the name, what it binds in the file, and `module.name`.

    The import is what is followed first, so it may have the new name already.
    """
    module = _module(home)
    named = [one for one in found if _source(one.node) == module]
    bound = [
        one for one in (*found, *renamed) if one.binding == "import" and _source(one.node) == module
    ]
    chosen = [*named]
    again = [one for one in found if one.is_strong and one.scope is None and one not in bound]
    if bound and not again:
        inner = [one for one in found if one.is_plain and one.binding and one.scope is not None]
        chosen += [one for one in found if one.is_plain and not _is_held(one, inner)]
    chosen += [one for one in found if one.owner is not None and one.owner == module]
    return sorted({one.start: one for one in chosen}.values(), key=lambda one: one.start)


def _is_held(one: Occurrence, inner: list[Occurrence]) -> bool:
    return any(
        other.scope is not None and other.scope.start_byte <= one.start < other.scope.end_byte
        for other in inner
    )


def _source(node: tree_sitter.Node) -> str:
    """The last part of the module that an imported name comes from; "" for no import."""
    statement = next(enclosing(node, _STATEMENTS), None)
    if statement is None:
        return ""
    module = statement.child_by_field_name("module_name") or statement.child_by_field_name("source")
    if (
        module is None
        or module.text is None
        or module.start_byte <= node.start_byte < module.end_byte
    ):
        return ""
    text = module.text.decode("utf-8", "replace").strip("\"'")
    if statement.type == "import_from_statement":
        return text.rsplit(".", 1)[-1]
    return re.sub(r"\.[cm]?[jt]sx?$", "", text.rsplit("/", 1)[-1])


def _shared(found: list[Occurrence]) -> list[Occurrence]:
    """All plain uses, and the other half of a prototype, unless the file declares its own."""
    if any(one.is_strong and one.binding not in {"function", "prototype"} for one in found):
        return []
    return [one for one in found if one.is_plain]


def _includes(home: DocumentSnapshot, other: DocumentSnapshot) -> bool:
    def names(snapshot: DocumentSnapshot) -> set[str]:
        return {PurePath(path).name for path in _INCLUDE.findall(snapshot.text)}

    return _file(home).name in names(other) or _file(other).name in names(home)


def _module(home: DocumentSnapshot) -> str:
    file = _file(home)
    return file.parent.name if file.stem in _FOLDER_FILES else file.stem


def _folder(snapshot: DocumentSnapshot) -> str:
    return str(_file(snapshot).parent)


def _file(snapshot: DocumentSnapshot) -> PurePath:
    return snapshot.path or PurePath(snapshot.uri.removeprefix("file://"))
