"""Snapshot and cursor to `InfillRequest`: what the model may read, and where it is cut.

The engine reuses the longest common start of two prompts of a session, so what it reads must not
move while a person types. Three rules follow. The cut above the cursor stands on a grid: it
changes once in a quarter of the budget. The end of the suffix is measured from the end of the
file, which typing does not move. Snippets are chosen by the text above the last grid line. All of
it is a function of the text; nothing is remembered between requests.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from midspan_engine.protocol import InfillRequest, Snippet

from midspan_server.snippets import OpenDocument, choose, identifiers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from midspan_server.history import RecentEdit
    from midspan_server.snapshot import DocumentSnapshot
    from midspan_server.trigger import ScopeDecision

__all__ = ["ContextSettings", "OpenDocument", "build_request"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextSettings:
    """Budgets of the prompt, in characters.

    Attributes:
        prefix_chars: Text before the cursor; about a quarter more or less is read.
        suffix_chars: Text after the cursor, likewise.
        snippet_chars: All snippets together.
        snippets: Whether other open files are read at all.
        recent_edits: Whether recent edits elsewhere are read.
    """

    prefix_chars: int = 2_000
    suffix_chars: int = 500
    snippet_chars: int = 600
    snippets: bool = True
    recent_edits: bool = True


def build_request(
    snapshot: DocumentSnapshot,
    offset: int,
    *,
    request_id: int,
    session: str,
    open_documents: Sequence[OpenDocument],
    edits: Sequence[RecentEdit],
    settings: ContextSettings,
    scope: ScopeDecision,
    selected_text: str | None = None,
) -> InfillRequest:
    """Build the request for a cursor at `offset`."""
    text = snapshot.text
    cut = _cut_above(text, offset, settings.prefix_chars)
    end = _cut_below(text, offset, settings.suffix_chars)
    prefix = text[cut:offset]
    if selected_text:
        prefix = with_selected(prefix, selected_text)
    return InfillRequest(
        id=request_id,
        session=session,
        document_version=snapshot.version,
        language=snapshot.language,
        path=snapshot.path.name if snapshot.path else "",
        prefix=prefix,
        suffix=text[offset:end],
        snippets=_snippets(snapshot, offset, cut, open_documents, settings),
        scope=scope.scope,
        block_indent=scope.block_indent,
        max_tokens=scope.max_tokens,
        stop=scope.stop,
    )


def _cut_above(text: str, offset: int, budget: int) -> int:
    step = max(1, budget // 4)
    wanted = (offset - budget) // step * step
    return 0 if wanted <= 0 else text.find("\n", wanted, offset) + 1


def _cut_below(text: str, offset: int, budget: int) -> int:
    step = max(1, budget // 4)
    dropped = (len(text) - offset - budget) // step * step
    if dropped <= 0:
        return len(text)
    end = text.rfind("\n", offset, len(text) - dropped) + 1
    return end or len(text) - dropped


def with_selected(prefix: str, selected: str) -> str:
    """`prefix` as it will be once the popup's selected item has replaced the word being typed."""
    for length in range(min(len(prefix), len(selected)), 0, -1):
        if prefix.endswith(selected[:length]):
            return prefix[: len(prefix) - length] + selected
    word = len(prefix)
    while word and (prefix[word - 1].isalnum() or prefix[word - 1] in "_$"):
        word -= 1
    return prefix[:word] + selected


def _snippets(
    snapshot: DocumentSnapshot,
    offset: int,
    cut: int,
    open_documents: Sequence[OpenDocument],
    settings: ContextSettings,
) -> tuple[Snippet, ...]:
    others = [document for document in open_documents if document.snapshot.uri != snapshot.uri]
    if not settings.snippets or not others or settings.snippet_chars <= 0:
        return ()
    step = max(1, settings.prefix_chars // 4)
    query = identifiers(snapshot.text[cut : max(cut, offset // step * step)])
    return choose(query, others, settings.snippet_chars)
