"""Changes that repeat along a file: wrapped returns, types of annotations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from midspan_engine.training.edits.revision import Change
from midspan_engine.training.edits.syntax import walk

if TYPE_CHECKING:
    import numpy as np
    from tree_sitter import Node

    from midspan_engine.training.edits.syntax import SourceTree

_FEWEST, _MOST = 2, 16
_PYTHON_WRAPS = (
    "Result({})", "Ok({})", "str({})", "list({})", "tuple({})", "({}, None)", "(True, {})",
    "Response({})", "copy({})", "self.wrap({})", "cast(Any, {})",
)  # fmt: skip
_SCRIPT_WRAPS = (
    "Promise.resolve({})", "ok({})", "[{}, null]", "Object.freeze({})", "String({})",
    "this.wrap({})", "await {}", "new Result({})", "clone({})",
)  # fmt: skip
_TYPES = {
    "python": ("{} | None", "Sequence[{}]", "list[{}]", "Optional[{}]", "Iterable[{}]"),
    "typescript": ("{} | null", "{} | undefined", "readonly {}[]", "Array<{}>", "Promise<{}>"),
}
_TYPED = frozenset({
    "typed_parameter", "typed_default_parameter", "assignment", "required_parameter",
    "optional_parameter", "property_signature", "public_field_definition",
})  # fmt: skip


def wrap_returns(tree: SourceTree, rng: np.random.Generator) -> list[Change] | None:
    """Every value that one function returns goes through the same call."""
    functions = tree.functions()
    rng.shuffle(functions)
    wraps = _SCRIPT_WRAPS if tree.is_script else _PYTHON_WRAPS
    for function in functions:
        values = [
            node.named_children[0]
            for node in walk(function, into_functions=False)
            if node.type == "return_statement" and len(node.named_children) == 1
        ]
        if len(values) >= _FEWEST and all(_one_line(value) for value in values):
            before, after = str(rng.choice(wraps)).split("{}")
            return [_around(tree, value, before, after) for value in values[:_MOST]]
    return None


def change_types(tree: SourceTree, rng: np.random.Generator) -> list[Change] | None:
    """Every field or parameter of one name and type gets another type."""
    groups: dict[str, list[Node]] = {}
    for node in walk(tree.root):
        kind = node.child_by_field_name("type") if node.type in _TYPED else None
        if kind is not None and _one_line(node):
            # `name?: T` in TypeScript holds the colon in its annotation node.
            inner = kind.named_children[0] if kind.type == "type_annotation" else kind
            name = tree.of(node)[: kind.start_byte - node.start_byte].rstrip(" :?")
            groups.setdefault(f"{name}: {tree.of(inner)}", []).append(inner)
    fit = sorted(
        key
        for key, nodes in groups.items()
        if _FEWEST < len(nodes) <= _MOST and not key.startswith(("self", "this"))
    )
    if not fit or tree.language not in _TYPES:
        return None
    before, after = str(rng.choice(_TYPES[tree.language])).split("{}")
    return [_around(tree, node, before, after) for node in groups[str(rng.choice(fit))]]


def _one_line(node: Node) -> bool:
    return bool(node.start_point[0] == node.end_point[0])


def _around(tree: SourceTree, node: Node, before: str, after: str) -> Change:
    text = before + tree.of(node) + after
    return Change(start=node.start_byte, end=node.end_byte, text=text)
