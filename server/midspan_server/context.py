"""Snapshot and cursor to `InfillRequest`: what the model may read.

All of it is a function of the texts, and none of it changes with every keystroke: a prompt that
begins differently costs the engine its context cache, which is seconds on a laptop.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from midspan_engine.protocol import InfillRequest, Snippet
from midspan_server.excerpt import Above, above, below
from midspan_server.snippets import OpenDocument, choose, identifiers, shown_path

if TYPE_CHECKING:
    from collections.abc import Sequence

    from midspan_server.history import RecentEdit
    from midspan_server.snapshot import DocumentSnapshot
    from midspan_server.trigger import ScopeDecision

__all__ = ["ContextSettings", "OpenDocument", "build_request"]

_MAX_EDITS = 2
_LONGEST_EDIT = 200
# A person who has just left another place may still be working on both.
_MIN_EDIT_LETTERS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextSettings:
    """Budgets of the prompt, in characters; the defaults come to about 750 tokens.

    Attributes:
        prefix_chars: Text before the cursor; up to a quarter more is read, and the imports and
            headers of what was dropped.
        suffix_chars: Text after the cursor.
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
    """Build the request for a cursor at `offset`.

    `open_documents` and `edits` (newest last) are what may be read: the caller leaves out what
    `ignore` forbids. `selected_text` is the item selected in the editor's popup, which will
    replace the word being typed; the prefix ends with it.
    """
    part = above(snapshot, offset, settings.prefix_chars)
    end = below(snapshot, offset, settings.suffix_chars)
    prefix = part.head + snapshot.text[part.cut : offset]
    return InfillRequest(
        id=request_id,
        session=session,
        document_version=snapshot.version,
        language=snapshot.language,
        path=shown_path(snapshot),
        prefix=with_selected(prefix, selected_text) if selected_text else prefix,
        suffix=snapshot.text[offset:end],
        snippets=(
            *_edited(snapshot, part, end, edits, settings),
            *_from_others(snapshot, offset, part, end, open_documents, settings),
        ),
        scope=scope.scope,
        block_indent=scope.block_indent,
        max_tokens=scope.max_tokens,
        stop=scope.stop,
    )


def with_selected(prefix: str, selected: str) -> str:
    """`prefix` as it will be once the popup's selected item has replaced the word being typed.

    The item may begin before the word (`.log` for `console.lo`), so the longest start of it that
    has been typed is looked for first.
    """
    for length in range(min(len(prefix), len(selected)), 0, -1):
        if prefix.endswith(selected[:length]):
            return prefix[: len(prefix) - length] + selected
    word = len(prefix)
    while word and (prefix[word - 1].isalnum() or prefix[word - 1] in "_$"):
        word -= 1
    return prefix[:word] + selected


def _from_others(
    snapshot: DocumentSnapshot,
    offset: int,
    part: Above,
    end: int,
    open_documents: Sequence[OpenDocument],
    settings: ContextSettings,
) -> tuple[Snippet, ...]:
    """Snippets for the text above the anchor and below the cursor.

    The line being typed is no part of the question: the answer would change with every word.
    """
    others = [document for document in open_documents if document.snapshot.uri != snapshot.uri]
    if not settings.snippets or not others or settings.snippet_chars <= 0:
        return ()
    query = identifiers(snapshot.text[part.cut : max(part.cut, part.anchor)])
    query.update(identifiers(snapshot.text[offset:end]))
    return choose(query, others, settings.snippet_chars)


def _edited(
    snapshot: DocumentSnapshot,
    part: Above,
    end: int,
    edits: Sequence[RecentEdit],
    settings: ContextSettings,
) -> tuple[Snippet, ...]:
    """The newest edits at places that the model does not read anyway, newest last."""
    if not settings.recent_edits:
        return ()
    first, last = snapshot.line_of(part.cut), snapshot.line_of(end)
    chosen = []
    for edit in reversed(edits):
        is_read = edit.uri == snapshot.uri and first <= edit.line <= last
        letters = sum(map(str.isalnum, edit.after))
        if not is_read and letters >= _MIN_EDIT_LETTERS and len(edit.after) <= _LONGEST_EDIT:
            name = "/".join(edit.path.parts[-2:]) if edit.path else edit.uri.rsplit("/", 1)[-1]
            chosen.append(Snippet(path=name, text=edit.after))
        if len(chosen) == _MAX_EDITS:
            break
    return tuple(reversed(chosen))
