"""A byte-level BPE vocabulary of the twins' own, trained on the same corpus."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

MASK, EXPAND, DELETE = "<|mask|>", "<|expand|>", "<|delete|>"
MARKS = (
    "<|endoftext|>",
    "<|fim_prefix|>",
    "<|fim_middle|>",
    "<|fim_suffix|>",
    "<|fim_pad|>",
    "<|repo_name|>",
    "<|file_sep|>",
    "<|im_end|>",
    MASK,
    EXPAND,
    DELETE,
)
# Qwen2's, with single digits and line breaks that end a piece, so that prefixes heal alike.
_PIECES = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def train_vocabulary(texts: Iterable[str], size: int) -> Tokenizer:
    """A tokenizer of at most `size` tokens, marks included; fewer where the text is short."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_PIECES), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=list(MARKS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=True,
    )
    tokenizer.train_from_iterator(texts, trainer=trainer)
    return tokenizer


def token_ids(tokenizer: Tokenizer, *names: str) -> tuple[int, ...]:
    """Ids of marks.

    Raises:
        ValueError: the tokenizer has not all of them.
    """
    ids = [found for name in names if (found := tokenizer.token_to_id(name)) is not None]
    if len(ids) != len(names):
        raise ValueError(f"this tokenizer lacks one of {', '.join(names)}")
    return tuple(ids)


def write_vocabulary(tokenizer: Tokenizer, path: Path) -> None:
    """Write `tokenizer.json`, without line breaks that only weigh."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = json.loads(tokenizer.to_str())
    path.write_text(json.dumps(content, ensure_ascii=False, separators=(",", ":")), "utf-8")
