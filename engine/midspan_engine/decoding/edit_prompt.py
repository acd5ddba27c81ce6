"""The prompt of a next edit: history, file and region to ids, by one of two layouts.

Special tokens take the place of words, the original region stands before the updated one, and the
window is fixed (what Sweep and Zed report as working for their next-edit models). History is a run
of compact unified-diff hunks. An answer that is empty means "no edit": `<|endoftext|>` is then the
first token, so one row tells. A region of which nothing is left is answered by a line break alone.
Snippets of other files, `<|file_sep|>path⏎text`, stand behind the history where room is left.

`fim`       HISTORY<|file_sep|>path⏎<|fim_prefix|>before<|fim_suffix|>after<|fim_pad|>original
            <|fim_middle|>updated<|endoftext|>
`sections`  HISTORY<|file_sep|>path⏎before<|fim_prefix|>original<|fim_suffix|>after
            <|file_sep|>updated<|endoftext|>

The engine decodes with `fim`, which training found to be better; `sections` is kept for training.
No torch here: training builds the same prompt.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from midspan_engine.decoding.prompt import Prompt
from midspan_engine.protocol import PastEdit, Snippet

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from midspan_engine.protocol import EditRequest
    from midspan_engine.tokenizer import SpecialIds, Tokenizer

    Encode = Callable[[str], Sequence[int]]
    """Text to ids, without special tokens."""

Layout = Literal["fim", "sections"]
_CONTEXT_LINES = 2
_LEAST_SNIPPET = 24
"""Tokens below which a piece of a file says nothing."""
LONGEST_TOKEN = 16
"""Characters that no stretch of real text exceeds per token."""


NOTHING_LEFT = "\n"


class WindowError(ValueError):
    """The region is longer than the window allows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """Ids of the marker tokens."""

    file: int
    prefix: int
    suffix: int
    middle: int
    pad: int
    end: int

    @classmethod
    def of(cls, token_to_id: Callable[[str], int | None]) -> Marks:
        """Look the markers up.

        Raises:
            ValueError: the tokenizer lacks one.
        """
        names = ("file_sep", "fim_prefix", "fim_suffix", "fim_middle", "fim_pad", "endoftext")
        found = [token_to_id(f"<|{name}|>") for name in names]
        ids = [number for number in found if number is not None]
        if len(ids) != len(names):
            raise ValueError("this tokenizer has no markers for files and infilling")
        file, prefix, suffix, middle, pad, end = ids
        return cls(file=file, prefix=prefix, suffix=suffix, middle=middle, pad=pad, end=end)

    @classmethod
    def of_special(cls, ids: SpecialIds) -> Marks:
        """The same of the engine's tokenizer."""
        return cls(
            file=ids.file_sep,
            prefix=ids.fim_prefix,
            suffix=ids.fim_suffix,
            middle=ids.fim_middle,
            pad=ids.fim_pad,
            end=ids.eos,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class EditContext:
    """What is known before the answer; `before`, `original` and `after` are whole lines."""

    path: str
    history: tuple[PastEdit, ...]
    """Oldest first; the lines of each hunk begin with a space, `-` or `+`, as in `hunk_text`."""
    before: str
    original: str
    after: str
    snippets: tuple[Snippet, ...] = ()
    """Of other files, most relevant last."""

    @classmethod
    def of(cls, request: EditRequest, window: EditWindow) -> EditContext:
        """What a request tells, cut so that a huge text costs no more than can be used of it.

        Raises:
            WindowError: the region is longer than `window.region`.
        """
        if len(request.region) > window.region * LONGEST_TOKEN:
            raise WindowError(f"the region has more than {window.region} tokens")
        most = window.before * LONGEST_TOKEN, window.after * LONGEST_TOKEN
        return cls(
            path=request.path,
            history=within(request.history, window),
            before=request.before[-most[0] :],
            original=request.region,
            after=request.after[: most[1]],
            snippets=tuple(
                Snippet(path=one.path, text=one.text[: window.total * LONGEST_TOKEN])
                for one in request.snippets
            ),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class EditWindow:
    """Most tokens of each part, and of the prompt as a whole.

    When the whole is too long, parts give way in this order: snippets, history older than the
    newest hunk, text after the region, text before it, the newest hunk. The region is never cut.
    """

    total: int = 832
    region: int = 208
    history: int = 320
    before: int = 256
    after: int = 128
    newest: int = 128
    """Of the newest hunk, which is what the edit follows from."""


def within(history: Sequence[PastEdit], window: EditWindow) -> tuple[PastEdit, ...]:
    """Hunks cut so that a huge one costs no more than can be used of it."""
    most = (window.history + 1) * LONGEST_TOKEN
    return tuple(PastEdit(path=edit.path, diff=edit.diff[:most]) for edit in history)


def build_edit_prompt(request: EditRequest, tokenizer: Tokenizer, window: EditWindow) -> Prompt:
    """Encode `request` as one causal run.

    Raises:
        WindowError: the region is longer than `window.region`.
    """
    context = EditContext.of(request, window)
    marks = Marks.of_special(tokenizer.special)
    *head, middle = encode_prompt(context, "fim", tokenizer.encode, marks, window)
    return Prompt(head=tuple(head), tail=(), middle_mark=middle, pending=b"")


def answer_text(updated: str) -> str:
    """What the model says for a region that becomes `updated`, which is not what it was."""
    return updated if updated.strip() else NOTHING_LEFT


def hunk_text(before: str, after: str) -> str:
    """The change from `before` to `after` (whole lines) as a hunk without its header."""
    old, new = before.splitlines(), after.splitlines()
    lines: list[str] = []
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    blocks = matcher.get_opcodes()
    for index, (tag, first, last, begin, end) in enumerate(blocks):
        if tag != "equal":
            lines += [f"-{line}" for line in old[first:last]]
            lines += [f"+{line}" for line in new[begin:end]]
            continue
        kept = old[first:last]
        head = kept[:_CONTEXT_LINES] if index else []
        rest = kept[len(head) :]
        tail = rest[-_CONTEXT_LINES:] if index < len(blocks) - 1 else []
        lines += [f" {line}" for line in (*head, *tail)]
    return "".join(f"{line}\n" for line in lines)


def encode_prompt(
    context: EditContext, layout: Layout, encode: Encode, marks: Marks, window: EditWindow
) -> list[int]:
    """Ids up to the place where the updated region (or `end` for "no edit") begins.

    Raises:
        WindowError: the region is longer than `window.region`.
    """
    original = list(encode(context.original))
    if len(original) > window.region:
        raise WindowError(f"the region has {len(original)} tokens, {window.region} fit")
    path = [marks.file, *encode(f"{context.path}\n")]
    room = window.total - len(original) - len(path) - 4
    newest = _hunk(context.history[-1:], encode, marks)[: min(window.newest, max(room, 0))]
    room -= len(newest)
    before = _last(list(encode(context.before)), min(window.before, room))
    room -= len(before)
    after = list(encode(context.after))[: max(0, min(window.after, room))]
    room -= len(after)
    older = _older(context.history, encode, marks, min(window.history - len(newest), room))
    room -= len(older)
    snippets = _snippets(context.snippets, encode, marks, room)
    head = [*older, *newest, *snippets, *path]
    if layout == "fim":
        sides = [marks.prefix, *before, marks.suffix, *after]
        return [*head, *sides, marks.pad, *original, marks.middle]
    sides = [*before, marks.prefix, *original, marks.suffix, *after]
    return [*head, *sides, marks.file]


def encode_history(
    history: Sequence[PastEdit], encode: Encode, marks: Marks, window: EditWindow
) -> list[int]:
    """The ids that a prompt with this history begins with where nothing has to give way."""
    newest = _hunk(history[-1:], encode, marks)[: window.newest]
    return _older(history, encode, marks, window.history - len(newest)) + newest


def _older(history: Sequence[PastEdit], encode: Encode, marks: Marks, room: int) -> list[int]:
    """Whole hunks before the newest one, as many as fit, newest first; ids in order of time."""
    ids: list[int] = []
    for edit in reversed(history[:-1]):
        hunk = _hunk((edit,), encode, marks)
        if len(ids) + len(hunk) > room:
            break
        ids = hunk + ids
    return ids


def _snippets(snippets: Sequence[Snippet], encode: Encode, marks: Marks, room: int) -> list[int]:
    """As much as fits, most relevant first, so that less room only cuts the end off."""
    ids: list[int] = []
    for one in reversed(snippets):
        piece = [marks.file, *encode(f"{one.path}\n{one.text}\n")]
        ids += piece[: room - len(ids)]
        if room - len(ids) < _LEAST_SNIPPET:
            break
    return ids


def _hunk(edits: Sequence[PastEdit], encode: Encode, marks: Marks) -> list[int]:
    return [
        number
        for edit in edits
        for number in (marks.file, *encode(f"{edit.path}\n@@\n{edit.diff}"))
    ]


def _last(ids: list[int], count: int) -> list[int]:
    return ids[-count:] if count > 0 else []
