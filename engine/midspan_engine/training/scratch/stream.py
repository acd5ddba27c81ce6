"""The training text once more, as one stream of the twins' own tokens for each split."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from tokenizers import Tokenizer
from tqdm import tqdm

from midspan_engine.training.data_shards import Corpus
from midspan_engine.training.scratch.vocabulary import token_ids, train_vocabulary, write_vocabulary

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_FILES_AT_ONCE = 256
_VOCABULARY_FILES = 6_000
_SHARES = {"python": 0.5, "typescript": 0.2, "javascript": 0.12}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """All files of one split, an end mark after each, by language."""

    tokens: dict[str, np.ndarray]
    """Language to uint16 `[tokens]`."""

    def window(self, rng: np.random.Generator, length: int) -> np.ndarray:
        """`length` tokens in a row from somewhere, int64; languages by their share."""
        names = sorted(name for name, ids in self.tokens.items() if len(ids) > length)
        weights = np.array([_SHARES.get(name, 0.04) for name in names])
        ids = self.tokens[names[int(rng.choice(len(names), p=weights / weights.sum()))]]
        start = int(rng.integers(len(ids) - length))
        return ids[start : start + length].astype(np.int64)


def prepare_stream(
    data: Path, folder: Path, base: Path, size: int
) -> tuple[Tokenizer, Stream, Stream]:
    """The vocabulary and both splits; made once, then read.

    Args:
        data: Folder of `midspan train data`.
        folder: Where the vocabulary and the streams are kept.
        base: `tokenizer.json` that the data was encoded with.
        size: Of the vocabulary.

    Raises:
        ShardError: there is no data.
    """
    old = Tokenizer.from_file(str(base))
    path = folder / "tokenizer.json"
    if not path.is_file():
        texts = _texts(Corpus.load(data, held_out=False), old, most=_VOCABULARY_FILES)
        write_vocabulary(train_vocabulary((text for _, text in texts), size), path)
    tokenizer = Tokenizer.from_file(str(path))
    splits = [
        _split(data, folder / f"{name}.npz", old, tokenizer, held_out=held_out)
        for name, held_out in (("train", False), ("held_out", True))
    ]
    return tokenizer, splits[0], splits[1]


def _split(data: Path, path: Path, old: Tokenizer, new: Tokenizer, *, held_out: bool) -> Stream:
    if path.is_file():
        with np.load(path) as raw:
            return Stream(tokens={name: raw[name] for name in raw.files})
    parts: dict[str, list[np.ndarray]] = {}
    (end,) = token_ids(new, "<|endoftext|>")
    batch: list[tuple[str, str]] = []
    corpus = Corpus.load(data, held_out=held_out)
    for item in (*_texts(corpus, old), None):
        if item is not None:
            batch.append(item)
        if item is None or len(batch) == _FILES_AT_ONCE:
            encoded = new.encode_batch([text for _, text in batch], add_special_tokens=False)
            for (language, _), one in zip(batch, encoded, strict=True):
                parts.setdefault(language, []).append(np.array([*one.ids, end], dtype=np.uint16))
            batch = []
    joined = {language: np.concatenate(files) for language, files in parts.items()}
    np.savez(path, **joined)  # type: ignore[arg-type]  # its stub knows one keyword only
    return Stream(tokens=joined)


def _texts(corpus: Corpus, old: Tokenizer, most: int | None = None) -> Iterator[tuple[str, str]]:
    """(language, text) of the files; with `most`, every so many-th."""
    files = [(language, file) for language, some in corpus.files.items() for file in some]
    step = max(1, len(files) // most) if most else 1
    for language, file in tqdm(files[::step], desc="files", unit="file"):
        yield language, str(old.decode(file.tolist(), skip_special_tokens=False))
