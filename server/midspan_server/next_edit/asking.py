"""A candidate region as an `EditRequest`: what the model reads of the file and of the history."""

from __future__ import annotations

from typing import TYPE_CHECKING

from midspan_engine.protocol import EditRequest, LikelihoodRequest, Passage, PastEdit
from midspan_server.next_edit.hunks import hunk_in
from midspan_server.snippets import shown_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from midspan_engine.protocol import Snippet
    from midspan_server.next_edit.hunks import Hunk
    from midspan_server.next_edit.regions import Candidate
    from midspan_server.snapshot import DocumentSnapshot

# As the model was taught; the engine cuts by tokens what is still too much.
_BEFORE_CHARS, _AFTER_CHARS = 1_400, 800
_MOST_HUNKS = 8
# The model says too often that nothing is to change; what it would change is judged afterwards.
_EDIT_FROM = 0.1
_LONGEST_HUNK = 1_500


def region_text(document: DocumentSnapshot, start_line: int, end_line: int) -> str:
    """Whole lines with LF at their ends; `end_line` is behind the last one."""
    return _unified(document.text[slice(*region_span(document, start_line, end_line))])


def region_span(document: DocumentSnapshot, start_line: int, end_line: int) -> tuple[int, int]:
    """Offsets of whole lines, the last line end included."""
    is_last = end_line >= document.line_count
    end = len(document.text) if is_last else document.line_starts[end_line]
    return document.line_starts[start_line], end


def edit_request(
    candidate: Candidate,
    recent: Sequence[Hunk],
    documents: Mapping[str, DocumentSnapshot],
    roots: Iterable[Path],
    *,
    number: int,
    session: str,
    budget_ms: int,
    snippets: tuple[Snippet, ...] = (),
) -> EditRequest:
    """Build the request for a region.

    Args:
        candidate: Where; its document is among `documents`.
        recent: What was done, newest last.
        documents: What may be read, by URI.
        roots: Folders of the workspace.
        number: The request's id.
        session: See `EditRequest`.
        budget_ms: See `EditRequest`.
        snippets: Of other files, most relevant last.
    """
    document = documents[candidate.uri]
    start, end = region_span(document, candidate.start_line, candidate.end_line)
    roots = tuple(roots)
    return EditRequest(
        id=number,
        session=session,
        document_version=document.version,
        language=document.language,
        path=path_in(document, roots),
        history=tuple(_past_edits(recent[-_MOST_HUNKS:], documents, roots)),
        before=_tail(_unified(document.text[max(0, start - 2 * _BEFORE_CHARS) : start])),
        region=_unified(document.text[start:end]),
        after=_head(_unified(document.text[end : end + 2 * _AFTER_CHARS])),
        snippets=snippets,
        edit_from=_EDIT_FROM,
        budget_ms=budget_ms,
    )


def likelihood_request(
    regions: Sequence[Candidate],
    recent: Sequence[Hunk],
    documents: Mapping[str, DocumentSnapshot],
    roots: Iterable[Path],
    *,
    number: int,
    session: str,
    budget_ms: int | None,
) -> LikelihoodRequest:
    """Build the request for what became unlikely in regions; arguments as in `edit_request`."""
    roots = tuple(roots)
    return LikelihoodRequest(
        id=number,
        session=session,
        history=tuple(_past_edits(recent[-_MOST_HUNKS:], documents, roots)),
        passages=tuple(_passage(one, documents[one.uri], roots) for one in regions),
        budget_ms=budget_ms,
    )


def _passage(region: Candidate, document: DocumentSnapshot, roots: tuple[Path, ...]) -> Passage:
    start, end = region_span(document, region.start_line, region.end_line)
    return Passage(
        path=path_in(document, roots),
        before=_tail(_unified(document.text[max(0, start - 2 * _BEFORE_CHARS) : start])),
        text=_unified(document.text[start:end]),
    )


def path_in(document: DocumentSnapshot, roots: Iterable[Path]) -> str:
    """The file's path from the workspace's folder on; folder and name where it is in none."""
    for root in roots:
        if document.path is not None and document.path.is_relative_to(root):
            return document.path.relative_to(root).as_posix()
    return shown_path(document)


def _past_edits(
    recent: Sequence[Hunk], documents: Mapping[str, DocumentSnapshot], roots: tuple[Path, ...]
) -> Iterable[PastEdit]:
    for hunk in recent:
        document = documents.get(hunk.uri)
        diff = hunk_in(hunk, document)
        if document is not None and len(diff) <= _LONGEST_HUNK:
            yield PastEdit(path=path_in(document, roots), diff=diff)


def _unified(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def _tail(text: str) -> str:
    cut = text[-_BEFORE_CHARS:]
    return cut if len(cut) == len(text) else cut[cut.find("\n") + 1 :]


def _head(text: str) -> str:
    return text if len(text) <= _AFTER_CHARS else text[: text.rfind("\n", 0, _AFTER_CHARS) + 1]
