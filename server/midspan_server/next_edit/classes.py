"""Which class a member belongs to.

Classes are known by their names, since methods may stand outside of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from midspan_server.next_edit.objects import Objects, class_name

if TYPE_CHECKING:
    from collections.abc import Collection

    import tree_sitter

    from midspan_server.next_edit.naming import Naming
    from midspan_server.next_edit.occurrences import Occurrence

_HERITAGE = frozenset(
    {"extends_clause", "class_heritage", "superclass", "base_list", "base_class_clause"}
)


class Classes:
    """Finds the class of a member, by the name of its object.

    Args:
        data: The text in UTF-8.
        rules: Of its language.
    """

    def __init__(self, data: bytes, rules: Naming) -> None:
        self.data = data
        self.rules = rules
        self.objects = Objects(data, rules)

    def around(self, node: tree_sitter.Node) -> str:
        """The class that a node stands in, also in a method outside of it; "" for none."""
        return self.objects.around(node)

    def of(self, declared: Occurrence) -> str:
        """The class that a member is declared in."""
        if declared.scope is not None:
            return class_name(declared.scope)
        return self.objects.owner_of(declared.node)

    def has(self, member: Occurrence, names: Collection[str]) -> bool:
        """Whether the object of `member` surely is of one of the classes `names`."""
        if member.owner is None:
            return False
        if member.owner in self.rules.own or member.owner == "":
            return self.around(member.node) in names
        return self.objects.owner_of(member.node) in names

    def heirs(self, name: str, near: tree_sitter.Node, own: Collection[str]) -> set[str]:
        """The class, and those that have its member from it.

        Args:
            name: The class.
            near: A node of the document.
            own: Classes that have such a member of their own.
        """
        family, waiting = {name}, [name]
        while waiting:
            leaves = self.objects.bindings.leaves(waiting.pop(), near)
            heirs = {heir for leaf in leaves if (heir := _heir(leaf))} - family - set(own)
            family |= heirs
            waiting += heirs
        return family


def _heir(base: tree_sitter.Node) -> str:
    """The class whose first base is named by `base`; "" for none."""
    above = base.parent
    if above is None or above.parent is None:
        return ""
    heir = above.parent.parent if above.type == "extends_clause" else above.parent
    is_list = above.type == "argument_list" and above.parent.type == "class_definition"
    if heir is None or (above.type not in _HERITAGE and not is_list):
        return ""
    names = [one for one in above.named_children if "identifier" in one.type]
    return class_name(heir) if names and names[0].start_byte == base.start_byte else ""
