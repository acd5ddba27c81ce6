"""Suggestions to LSP items, for clients with inline completion and for those without."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lsprotocol import types

if TYPE_CHECKING:
    from collections.abc import Sequence

    from midspan_server.snapshot import DocumentSnapshot
    from midspan_server.suggestion_cache import Suggestion

ACCEPT_COMMAND = "midspan.accept"
_LONGEST_LABEL = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """Where the text of an item goes.

    Attributes:
        snapshot: The document.
        start: Offset of the first replaced character.
        end: Offset behind the last; `start` and `end` are on one line.
        lead: Text that every item begins with: what is replaced, or the popup's selected item.
        encoding: The client's position encoding.
    """

    snapshot: DocumentSnapshot
    start: int
    end: int
    lead: str = ""
    encoding: str

    @property
    def range(self) -> types.Range:
        """The replaced range in the client's units."""
        return self.snapshot.range_at(self.start, self.end, self.encoding)


def inline_list(suggestions: Sequence[Suggestion], slot: Slot) -> types.InlineCompletionList:
    """Return the ghost texts, best first."""
    return types.InlineCompletionList(
        items=[
            types.InlineCompletionItem(
                insert_text=slot.lead + suggestion.text,
                range=slot.range,
                command=_accept(suggestion),
            )
            for suggestion in suggestions
        ]
    )


def completion_list(suggestions: Sequence[Suggestion], slot: Slot) -> types.CompletionList:
    """Return the suggestions as entries of the popup, for clients that draw no ghost text.

    The edit begins at the word before the cursor and the filter text is that word and the
    suggestion: clients match it against what stands before the cursor and drop the entry otherwise.
    """
    word = _word_before(slot)
    start = slot.start - len(word)
    edited = slot.snapshot.range_at(start, slot.end, slot.encoding)
    items = [
        types.CompletionItem(
            label=_label(word + suggestion.text),
            kind=types.CompletionItemKind.Snippet
            if "\n" in suggestion.text
            else types.CompletionItemKind.Text,
            detail="Midspan",
            documentation=types.MarkupContent(
                kind=types.MarkupKind.Markdown,
                value=f"```{slot.snapshot.language}\n{word}{suggestion.text}\n```",
            ),
            preselect=False,
            sort_text=f"\t{index}",
            filter_text=word + suggestion.text,
            insert_text_format=types.InsertTextFormat.PlainText,
            # The text is indented already.
            insert_text_mode=types.InsertTextMode.AsIs,
            text_edit=types.TextEdit(range=edited, new_text=word + suggestion.text),
            command=_accept(suggestion),
        )
        for index, suggestion in enumerate(suggestions)
    ]
    return types.CompletionList(is_incomplete=True, items=items)


def _accept(suggestion: Suggestion) -> types.Command:
    return types.Command(
        title="Midspan: accepted", command=ACCEPT_COMMAND, arguments=[suggestion.id]
    )


def _word_before(slot: Slot) -> str:
    text, start = slot.snapshot.text, slot.start
    while start and (text[start - 1].isalnum() or text[start - 1] == "_"):
        start -= 1
    return text[start : slot.start]


def _label(text: str) -> str:
    first = next((line.strip() for line in text.splitlines() if line.strip()), text)
    return first if len(first) <= _LONGEST_LABEL else f"{first[: _LONGEST_LABEL - 1]}…"
