"""From a list of tokens and merges to the `tokenizer.json` of the Qwen2 family."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

from midspan_engine.weights.errors import WeightsUnusable

if TYPE_CHECKING:
    from pathlib import Path

# Qwen2's splitter: words with one character before them, single digits, runs of signs, white space.
QWEN2_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
    r"|[^\r\n\p{L}\p{N}]?\p{L}+"
    r"|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+"
    r"|\s+(?!\S)"
    r"|\s+"
)


class TokenKind(enum.Enum):
    """What a token stands for: text, a mark that no text contains, or nothing (padding)."""

    NORMAL = "normal"
    SPECIAL = "special"
    UNUSED = "unused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """A byte-level vocabulary; token `i` is `tokens[i]`, a merge is two tokens and a space."""

    tokens: tuple[str, ...]
    kinds: tuple[TokenKind, ...]
    merges: tuple[str, ...]


def write_tokenizer(vocabulary: Vocabulary, path: Path) -> None:
    """Write `tokenizer.json`.

    Raises:
        WeightsUnusable: tokens and merges do not fit together, or the special tokens do not keep
            their ids.
    """
    if len(vocabulary.tokens) != len(vocabulary.kinds):
        raise WeightsUnusable("the vocabulary has not as many kinds as tokens; fetch it again")
    numbered = list(enumerate(zip(vocabulary.tokens, vocabulary.kinds, strict=True)))
    normal = {token: i for i, (token, kind) in numbered if kind is TokenKind.NORMAL}
    merges = [(left, right) for left, right in map(_halves, vocabulary.merges)]
    try:
        model = models.BPE(vocab=normal, merges=merges)
    except Exception as error:  # the library raises nothing narrower
        raise WeightsUnusable(f"the vocabulary is damaged ({error}); fetch it again") from error
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(QWEN2_SPLIT), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    special = [(i, token) for i, (token, kind) in numbered if kind is TokenKind.SPECIAL]
    tokenizer.add_special_tokens(
        [AddedToken(token, special=True, normalized=False) for _, token in special]
    )
    for i, token in special:
        if tokenizer.token_to_id(token) != i:
            raise WeightsUnusable(f"the special token {token!r} cannot keep its id {i}")
    tokenizer.save(str(path), pretty=False)


def _halves(merge: str) -> tuple[str, str]:
    left, _, right = merge.partition(" ")
    return left, right
