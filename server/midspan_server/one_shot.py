"""One completion without an editor: the way of the Language Server, walked once."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import msgspec

from midspan_engine.protocol import EngineUnavailable
from midspan_server.context import ContextSettings, build_request
from midspan_server.indent import columns_of, leading
from midspan_server.postprocess import Place, postprocess
from midspan_server.trigger import ScopeDecision, TriggerSettings, decide

if TYPE_CHECKING:
    from midspan_engine.protocol import Choice, DecodeStats, Effort, Scope
    from midspan_server.engine_client import Engine
    from midspan_server.snapshot import DocumentSnapshot

_SESSION = "one-shot"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is wanted; None leaves it to the rules that editors get.

    Attributes:
        effort: See `InfillRequest`.
        steps: Likewise.
        n: Alternatives.
        scope: One line or a block.
        max_tokens: Bound for each alternative.
        trigger: Bounds of the rules.
        context: Budgets of the context.
    """

    effort: Effort = "verified"
    steps: int | None = None
    n: int = 1
    scope: Scope | None = None
    max_tokens: int | None = None
    trigger: TriggerSettings = field(default_factory=TriggerSettings)
    context: ContextSettings = field(default_factory=ContextSettings)


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """What came of it.

    Attributes:
        scope: What was asked for.
        texts: What to insert, best first; what the filters dropped is not among them.
        choices: The engine's choice for each text, before the filters.
        stats: The engine's figures.
    """

    scope: ScopeDecision
    texts: tuple[str, ...]
    choices: tuple[Choice, ...]
    stats: DecodeStats


async def complete(
    engine: Engine, snapshot: DocumentSnapshot, offset: int, wish: Wish
) -> Completed:
    """Complete at `offset`, which is in code points.

    Raises:
        EngineUnavailable: there is no engine, or it went away over this request.
        RequestRejected: the engine refused the request.
    """
    scope = _scope(snapshot, offset, wish)
    request = build_request(
        snapshot,
        offset,
        request_id=1,
        session=_SESSION,
        open_documents=(),
        edits=(),
        settings=wish.context,
        scope=scope,
    )
    changes = {"effort": wish.effort, "steps": wish.steps, "n": wish.n}
    answer = await engine.infill(msgspec.structs.replace(request, **changes))
    if answer is None:
        raise EngineUnavailable("the engine went away over the request; try again")
    place = Place(snapshot, offset, scope)
    kept: dict[str, Choice] = {}
    for choice in answer.choices:
        text = postprocess(choice.text, place)
        if text:
            kept.setdefault(text, choice)
    return Completed(
        scope=scope, texts=tuple(kept), choices=tuple(kept.values()), stats=answer.stats
    )


def _scope(snapshot: DocumentSnapshot, offset: int, wish: Wish) -> ScopeDecision:
    """Return what the rules say, and the wish where it says more."""
    decided = decide(snapshot, offset, wish.trigger, automatic=False)
    # By hand only a switch of the user's refuses, and a wish has none of those.
    scope = decided if isinstance(decided, ScopeDecision) else ScopeDecision()
    if wish.scope is not None and wish.scope != scope.scope:
        scope = _forced(snapshot, offset, wish)
    return scope if wish.max_tokens is None else replace(scope, max_tokens=wish.max_tokens)


def _forced(snapshot: DocumentSnapshot, offset: int, wish: Wish) -> ScopeDecision:
    """Return the scope that the rules would not have chosen; a block keeps the line's indent."""
    if wish.scope == "line":
        return ScopeDecision(max_tokens=wish.trigger.max_line_tokens)
    line = snapshot.line_of(offset)
    start = snapshot.line_starts[line]
    indent = columns_of(leading(snapshot.text[start : snapshot.line_end(line)]))
    return ScopeDecision(
        scope="block", block_indent=indent, max_tokens=wish.trigger.max_block_tokens
    )
