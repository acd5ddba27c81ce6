"""Text to token ids and back, for byte-level vocabularies of the Qwen2 family.

Text is only ever text: a file that contains the characters `<|fim_prefix|>` is encoded letter by
letter, because source code must not be able to speak to the model in its own marks. The marks are
ids, and `Tokenizer` names them.

`heal` handles a cursor inside a token. `load_mod` is other tokens than the beginning of
`load_model`, so the model would have to continue from a place it has never seen. The last tokens
are taken back and the first new ones are constrained to spell the text that was taken:

    ids, pending = tokenizer.heal(prefix)
    # ids[..] then tokens from `ids_that_prefix(pending)` or `ids_with_prefix(pending)`; take the
    # bytes of each from the front of `pending` until none are left.
"""

from __future__ import annotations

import bisect
import codecs
import json
import unicodedata
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

from tokenizers import Tokenizer as FastTokenizer

from midspan_engine.weights import WeightsError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from midspan_engine.weights import ModelFiles


class TokenizerUnusable(WeightsError):  # noqa: N818  the same form as its siblings
    """`tokenizer.json` is unreadable, or not a byte-level vocabulary with infilling marks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecialIds:
    """Ids of the marks that no text contains."""

    fim_prefix: int
    fim_suffix: int
    fim_middle: int
    fim_pad: int
    repo_name: int
    file_sep: int
    eos: int
    im_end: int


_MARKS = {
    "fim_prefix": "<|fim_prefix|>",
    "fim_suffix": "<|fim_suffix|>",
    "fim_middle": "<|fim_middle|>",
    "fim_pad": "<|fim_pad|>",
    "repo_name": "<|repo_name|>",
    "file_sep": "<|file_sep|>",
    "eos": "<|endoftext|>",
    "im_end": "<|im_end|>",
}


_KEPT_LOOKUPS = 256
_BLANKS = frozenset(" \t")


def _byte_letters() -> dict[int, str]:
    """Map the letter that stands for each byte to a string of that byte's code point.

    Printable bytes stand for themselves, the others follow from U+0100 (GPT-2's table).
    """
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in set(printable)]
    table = {byte: chr(byte) for byte in printable}
    table.update({0x100 + place: chr(byte) for place, byte in enumerate(others)})
    return table


_BYTE_LETTERS = _byte_letters()


class Tokenizer:
    """The tokenizer of one model. Safe to use from several threads.

    Attributes:
        special: Ids of the marks that a prompt is made of.
        marks: Ids of all marks; any of them ends a span.
        turn_start: Begins a message of a conversation; None where the model knows none.
        vocab_size: Ids below this number have a token. The model may have more rows than that;
            they are padding and have to be excluded from every choice.

    Args:
        path: `tokenizer.json`.
        fills: Whether its prompts are made of infilling marks; without, what is missing is -1.

    Raises:
        TokenizerUnusable: `tokenizer.json` cannot be used.
    """

    def __init__(self, path: Path, *, fills: bool = True) -> None:
        self._fast = _load_literal(path)
        marked = {
            token.content: number for number, token in self._fast.get_added_tokens_decoder().items()
        }
        missing = [mark for mark in _MARKS.values() if mark not in marked]
        if missing and fills:
            raise TokenizerUnusable(f"{path} has no {', '.join(missing)}")
        self.special = SpecialIds(**{name: marked.get(mark, -1) for name, mark in _MARKS.items()})
        self.marks = frozenset(marked.values())
        self.turn_start = marked.get("<|im_start|>")
        # A blank begins 53,000 tokens: finding and sorting them takes 12 ms, copying them 0.1 ms.
        self._beginning = lru_cache(maxsize=_KEPT_LOOKUPS)(self._find_beginning)
        plain = self._fast.get_vocab_size(with_added_tokens=False)
        self.vocab_size = max(plain, 1 + max(self.marks, default=-1))

    @classmethod
    def load(cls, files: ModelFiles, *, fills: bool = True) -> Tokenizer:
        """Open the tokenizer of a resolved model."""
        return cls(files.tokenizer, fills=fills)

    def encode(self, text: str) -> list[int]:
        """Return the ids of `text`; marks spelled in it are ordinary characters."""
        ids: list[int] = self._fast.encode(text, add_special_tokens=False).ids
        return ids

    def encode_with_offsets(self, text: str) -> tuple[list[int], list[tuple[int, int]]]:
        """Return ids and, for each, the code points of `text` that it covers, `[start, end)`.

        A character that is split over several tokens is named by all of them.
        """
        encoding = self._fast.encode(text, add_special_tokens=False)
        return encoding.ids, encoding.offsets

    def decode(self, ids: Iterable[int]) -> str:
        """Return the text of `ids`; marks have none.

        A character that is cut off at the end is left out, for the next tokens may complete it;
        other broken bytes become U+FFFD.
        """
        decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        return decoder.decode(self.decode_bytes(ids))

    def decode_bytes(self, ids: Iterable[int]) -> bytes:
        """Return the UTF-8 bytes of `ids`, a cut-off character included."""
        return b"".join(map(self.token_bytes, ids))

    def token_bytes(self, token: int) -> bytes:
        """Return the bytes that a token stands for; marks and unused ids have none."""
        return self._bytes[token] if 0 <= token < self.vocab_size else b""

    def ids_with_prefix(self, prefix: bytes) -> list[int]:
        """Return the ids, ascending, of all tokens whose bytes begin with `prefix`."""
        return list(self._beginning(prefix))

    def _find_beginning(self, prefix: bytes) -> list[int]:
        spellings, ids = self._sorted
        start = bisect.bisect_left(spellings, prefix)
        after = _next_after(prefix)
        end = bisect.bisect_left(spellings, after) if after is not None else len(spellings)
        return sorted(ids[start:end])

    def ids_that_prefix(self, text: bytes) -> list[int]:
        """Return the ids, ascending, of all tokens that are shorter than `text` and begin it."""
        by_spelling = self._ids
        starts = (text[:length] for length in range(1, len(text)))
        return sorted(by_spelling[start] for start in starts if start in by_spelling)

    def heal(self, prefix: str) -> tuple[list[int], bytes]:
        """Return ids of most of `prefix`, and the bytes that the next tokens have to spell.

        Taken back is what one token could reach across: of the word, the run of signs or the blank
        at the end, the most last tokens that some longer token begins with. Digits are tokens of
        their own and a line break ends a run, so both stay.
        """
        encoding = self._fast.encode(prefix, add_special_tokens=False)
        ids: list[int] = encoding.ids
        last = prefix[-1:]
        if not ids or last in "\r\n" or unicodedata.category(last).startswith("N"):
            return ids, b""
        if last in _BLANKS:
            return self.encode(prefix[:-1]), last.encode()
        run = encoding.word_ids.index(encoding.word_ids[-1])
        # Every token is a byte at least, and nothing longer than the longest one can be spelled.
        for start in range(max(run, len(ids) - self._longest), len(ids)):
            pending = self.decode_bytes(ids[start:])
            if self._has_longer(pending):
                return ids[:start], pending
        return ids, b""

    def _has_longer(self, spelling: bytes) -> bool:
        spellings, _ = self._sorted
        place = bisect.bisect_right(spellings, spelling)
        return place < len(spellings) and spellings[place].startswith(spelling)

    @cached_property
    def _bytes(self) -> list[bytes]:
        """Bytes of each id, marks excluded."""
        table = [b""] * self.vocab_size
        for letters, token in self._fast.get_vocab(with_added_tokens=False).items():
            table[token] = letters.translate(_BYTE_LETTERS).encode("latin-1")
        for mark in self.marks:
            table[mark] = b""
        return table

    @cached_property
    def _longest(self) -> int:
        return max(map(len, self._bytes))

    @cached_property
    def _sorted(self) -> tuple[list[bytes], list[int]]:
        """All spellings in byte order, and their ids in the same order."""
        table = self._bytes
        order = sorted(range(len(table)), key=table.__getitem__)
        order = order[bisect.bisect_right(order, b"", key=table.__getitem__) :]
        return [table[token] for token in order], order

    @cached_property
    def _ids(self) -> dict[bytes, int]:
        spellings, ids = self._sorted
        return dict(zip(spellings, ids, strict=True))


def _load_literal(path: Path) -> FastTokenizer:
    """Load `tokenizer.json` so that no text is ever taken for a mark.

    The library has a switch for this that holds for tokens called special; files by other hands
    call only some of the marks so.
    """
    try:
        tokenizer = FastTokenizer.from_file(str(path))
        if not all(token.special for token in tokenizer.get_added_tokens_decoder().values()):
            described = json.loads(path.read_bytes())
            for token in described["added_tokens"]:
                token["special"] = True
            tokenizer = FastTokenizer.from_str(json.dumps(described))
    except Exception as error:  # the library raises nothing narrower
        raise TokenizerUnusable(f"{path} cannot be read: {error}") from error
    tokenizer.encode_special_tokens = True
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def _next_after(prefix: bytes) -> bytes | None:
    """Return the least byte string after all that begin with `prefix`; None if there is none."""
    kept = prefix.rstrip(b"\xff")
    return kept[:-1] + bytes([kept[-1] + 1]) if kept else None
