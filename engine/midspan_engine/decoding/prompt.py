"""From an `InfillRequest` to token ids in the order that the Qwen2.5-Coder family was trained on.

`<|fim_prefix|>P<|fim_suffix|>S<|fim_middle|>`, and nothing before it: a repository header in front
costs this model 12 points of exact match (design figures), so snippets stand inside the prefix as
commented excerpts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from midspan_engine.decoding.layout import required_indent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from midspan_engine.protocol import InfillRequest, Snippet
    from midspan_engine.tokenizer import Tokenizer

SUFFIX_TOKENS = 512
_GRID = 256
"""A prefix that is too long loses whole steps of this many tokens, so that its beginning, and with
it the cache, stays put while someone types."""

_LONGEST_TOKEN = 16
"""Characters that no stretch of real text exceeds per token."""

_COMMENT = {
    **dict.fromkeys(("python", "ruby", "shellscript", "yaml", "toml", "perl", "r"), "#"),
    **dict.fromkeys(("lua", "sql", "haskell"), "--"),
    **dict.fromkeys(("html", "xml", "markdown", "vue", "svelte"), "<!--"),
    **dict.fromkeys(("css", "scss", "less"), "/*"),
}
_CLOSE = {"<!--": " -->", "/*": " */"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """Token ids of a request.

    Attributes:
        head: Prefix mark and prefix, `[tokens]`.
        tail: Suffix mark and suffix, `[tokens]`.
        middle_mark: Ends the prompt.
        pending: Bytes that the span has to begin with: the end of the prefix, taken back so that
            the model continues from a token boundary, then what layout demands.
        given: How many of the pending bytes belong to the answer; those before them stand in the
            prefix.
    """

    head: tuple[int, ...]
    tail: tuple[int, ...]
    middle_mark: int
    pending: bytes
    given: int = 0

    @property
    def length(self) -> int:
        """Tokens of the whole prompt."""
        return len(self.head) + len(self.tail) + 1


def build_prompt(request: InfillRequest, tokenizer: Tokenizer, limit: int) -> Prompt:
    """Encode `request`, cut so that the prompt has at most `limit` tokens."""
    marks = tokenizer.special
    suffix = tokenizer.encode(_suffix_text(request)[: SUFFIX_TOKENS * _LONGEST_TOKEN])
    suffix = suffix[: min(SUFFIX_TOKENS, limit // 3)]
    before = _snippet_text(request) + request.prefix
    prefix, pending = tokenizer.heal(before[_far_start(len(before), limit) :])
    indent = required_indent(request.prefix, request.language).encode()
    room = limit - len(suffix) - 3
    if len(prefix) > room:
        dropped = -(-(len(prefix) - room) // _GRID) * _GRID
        prefix = prefix[min(dropped, len(prefix) - min(room, _GRID)) :]
    return Prompt(
        head=(marks.fim_prefix, *prefix),
        tail=(marks.fim_suffix, *suffix),
        middle_mark=marks.fim_middle,
        pending=pending + indent,
        given=len(indent),
    )


def _suffix_text(request: InfillRequest) -> str:
    """The suffix, a line break before it where the hole is a whole line.

    Behind an editor's cursor the break is always there; a hole cut out with its break leaves it
    out, and then the model runs the next line into the answer (128 against 116 exact of 303 tasks).
    """
    begins_line = request.prefix.endswith("\n")
    if begins_line and request.suffix and not request.suffix.startswith(("\n", "\r")):
        return "\n" + request.suffix
    return request.suffix


def _far_start(length: int, limit: int) -> int:
    """Where to begin encoding, so that a huge text costs no more than what can be used of it."""
    most = limit * _LONGEST_TOKEN
    return -(-max(0, length - most) // most) * most


def _snippet_text(request: InfillRequest) -> str:
    mark = _COMMENT.get(request.language, "//")
    return "".join(_commented(snippet, mark) for snippet in request.snippets)


def _commented(snippet: Snippet, mark: str) -> str:
    close = _CLOSE.get(mark, "")
    text = snippet.text if snippet.text.endswith("\n") else snippet.text + "\n"
    return f"{mark} {snippet.path}{close}\n{text}\n"


def common_length(first: Sequence[int], second: Sequence[int]) -> int:
    """How many leading tokens are the same."""
    for index, (a, b) in enumerate(zip(first, second, strict=False)):
        if a != b:
            return index
    return min(len(first), len(second))
