"""What an import names: the module as it is written, the thing in it, and which file that means."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from os.path import normpath
from pathlib import PurePath
from typing import TYPE_CHECKING

from midspan_server.next_edit.occurrences import enclosing, field_of

if TYPE_CHECKING:
    import tree_sitter

    from midspan_server.snapshot import DocumentSnapshot

_STATEMENTS = frozenset({"import_from_statement", "import_statement", "export_statement"})
_SCRIPT_ENDING = re.compile(r"(\.d)?\.[cm]?[jt]sx?$")
# Folders whose modules are imported without them, from wherever.
_SOURCES = frozenset({"src", "lib"})


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a name in an import comes from.

    Attributes:
        module: As the import writes it.
        name: What is taken from the module, "" for the module itself.
    """

    module: str
    name: str


def origin(node: tree_sitter.Node) -> Origin | None:
    """What an identifier in an import stands for, be it the name or the alias; None elsewhere."""
    child, parent = node, node.parent
    if parent is not None and parent.type == "dotted_name":
        child, parent = parent, parent.parent
    statement = next(enclosing(child, _STATEMENTS), None)
    if parent is None or statement is None:
        return None
    edge = (parent.type, field_of(child, parent))
    if edge[0] == "aliased_import" or edge == (statement.type, "name"):
        named = parent.child_by_field_name("name") if edge[0] == "aliased_import" else child
        if statement.type == "import_statement":
            return Origin(_text(named), "")
        return Origin(_text(statement.child_by_field_name("module_name")), _text(named))
    source = _text(statement.child_by_field_name("source")).strip("\"'")
    if not source:
        return None
    if edge[0] in {"import_specifier", "export_specifier"}:
        return Origin(source, _text(parent.child_by_field_name("name")))
    return Origin(source, "") if edge[0] == "namespace_import" else None


def is_alias(node: tree_sitter.Node) -> bool:
    """Whether an identifier in an import is the name that the importing file chose."""
    return node.parent is not None and field_of(node, node.parent) == "alias"


def is_from(found: Origin, name: str, home: DocumentSnapshot, other: DocumentSnapshot) -> bool:
    """Whether an import in `other` takes `name` from the file `home`."""
    return found.name == name and _means(found.module, home, other)


def is_module(found: Origin, home: DocumentSnapshot, other: DocumentSnapshot) -> bool:
    """Whether an import in `other` is of the file `home` itself."""
    if not found.name:
        return _means(found.module, home, other)
    if other.language != "python":
        return False
    dot = "" if found.module.endswith(".") else "."
    return _means(f"{found.module}{dot}{found.name}", home, other)


def may_import(other: DocumentSnapshot, home: DocumentSnapshot) -> bool:
    """Whether the text of `other` has the name of the module `home`: asked before it is parsed."""
    name = _SCRIPT_ENDING.sub("", file_of(home).name).removesuffix(".py")
    return name in {"__init__", "index"} or name.removesuffix(".pyi") in other.text


def file_of(snapshot: DocumentSnapshot) -> PurePath:
    """The file of a document, also of one that is not on this machine."""
    return snapshot.path or PurePath(snapshot.uri.removeprefix("file://"))


def _means(written: str, home: DocumentSnapshot, other: DocumentSnapshot) -> bool:
    means = _python_means if other.language == "python" else _script_means
    return means(written, file_of(home), file_of(other))


def _python_means(written: str, home: PurePath, other: PurePath) -> bool:
    written = "".join(written.split())
    parts = tuple(part for part in written.split(".") if part)
    module = home.parent if home.stem == "__init__" else home.with_suffix("")
    dots = len(written) - len(written.lstrip("."))
    if dots:
        return dots <= len(other.parents) and module == other.parents[dots - 1].joinpath(*parts)
    if not parts or module.parts[-len(parts) :] != parts or parts[0] in sys.stdlib_module_names:
        return False
    # One word may be any module of that name: only of a folder that such imports begin at.
    begins = module.parents[len(parts) - 1]
    return len(parts) > 1 or begins in other.parents or begins.name in _SOURCES


def _script_means(written: str, home: PurePath, other: PurePath) -> bool:
    if not written.startswith(("./", "../")) and written not in {".", ".."}:
        return False
    named = PurePath(normpath(other.parent / _SCRIPT_ENDING.sub("", written)))
    module = home.parent / _SCRIPT_ENDING.sub("", home.name)
    return named == module or (module.name == "index" and named == module.parent)


def _text(node: tree_sitter.Node | None) -> str:
    return "" if node is None or node.text is None else node.text.decode("utf-8", "replace")
