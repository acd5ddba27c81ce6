"""Uses of a member: behind an object of its class, or as a key in one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from midspan_server.next_edit.keys import Key, key_of
from midspan_server.next_edit.nesting import Nesting, span_of
from midspan_server.next_edit.objects import text_of
from midspan_server.next_edit.plain_uses import is_other_half

if TYPE_CHECKING:
    from collections.abc import Sequence

    from midspan_server.next_edit.binding import Target
    from midspan_server.next_edit.classes import Classes
    from midspan_server.next_edit.occurrences import Occurrence


def member_uses(
    target: Target, olds: Sequence[Occurrence], news: Sequence[Occurrence], classes: Classes
) -> list[Occurrence] | None:
    """The uses of a member, in order; None where the class may still declare the old name.

    Args:
        target: What was renamed.
        olds: All identifiers of the old name in the document.
        news: All identifiers of the new name.
        classes: Of the document.
    """
    if not olds:
        return []
    bound = [one for one in olds if one.binding is not None]
    own = {classes.of(one) for one in (*bound, *news) if one.binding and one.owner is not None}
    family = classes.heirs(target.member_of, olds[0].node, own)
    variables = Nesting(span_of(one.scope) for one in bound if one.is_plain)
    keys = {Key(name) for name in family}
    found = []
    for one in olds:
        if one.owner is not None:
            is_ours = one.binding is not None and classes.of(one) == target.member_of
            declares = is_ours and (one.is_strong or one.scope is not None)
            if declares and not is_other_half(one, target):
                return None
            if is_ours and not declares and one.start < target.declared_at:
                return None
            if declares or classes.has(one, family):
                found.append(one)
        elif one.is_foreign:
            if key_of(one.node, classes.objects) in keys:
                found.append(one)
        elif (
            classes.rules.implicit
            and one.is_plain
            and one.binding is None
            and variables.innermost(one.start) is None
            and classes.around(one.node) in family
        ):
            found.append(one)
    return found


def shorthand_keys(
    target: Target, olds: Sequence[Occurrence], classes: Classes
) -> list[Occurrence]:
    """The identifiers of the old name that are the key `target` and a variable as well, in order.

    In these the key alone gets the new name.
    """
    if not target.member_of or not olds:
        return []
    found = []
    for one in olds:
        key = key_of(one.node, classes.objects)
        if key is not None and key.is_shorthand and key.owner == target.member_of:
            found.append(one)
    return found


def is_constructor(
    one: Occurrence, target: Target, news: Sequence[Occurrence], classes: Classes
) -> bool:
    """Whether `one` names a constructor of the class that was renamed."""
    if one.binding not in {"function", "prototype"} or one.owner is None:
        return False
    renamed = next((text_of(new.node) for new in news if new.start == target.declared_at), "")
    function = one.node.parent
    while function is not None and function.type.endswith(("declarator", "_identifier")):
        function = function.parent
    returns = function is not None and (
        function.child_by_field_name("type") or function.child_by_field_name("returns")
    )
    own = one.owner if one.scope is not None else text_of(one.node)
    return not returns and own in {renamed, classes.around(one.node), text_of(one.node)}
