"""Reading a Hugging Face folder of safetensors, to store it once more as float16."""

from __future__ import annotations

import hashlib
import shutil
from typing import TYPE_CHECKING

import msgspec

from midspan_engine.models.config import ModelConfigError, read_config
from midspan_engine.models.families import family_named
from midspan_engine.models.family import read_family
from midspan_engine.models.folder_tensors import SCALE, find_tensors
from midspan_engine.models.token_ids import TOKENIZER_FILES, TokenIds
from midspan_engine.weights.checkpoint import widened
from midspan_engine.weights.checksum import sha256_of
from midspan_engine.weights.errors import WeightsUnusable
from midspan_engine.weights.shards import tensor_files
from midspan_engine.weights.tensors import Tensor, rows_per_piece
from midspan_engine.weights.vocabulary import TokenKind, Vocabulary, write_tokenizer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from midspan_engine.models.family import ModelFamily
    from midspan_engine.models.family_spec import FamilySpec
    from midspan_engine.weights.checkpoint import StoredTensor


_LARGEST_VOCABULARY = 1 << 24


class HfFolder:
    """A folder of a family that we run; its weights stay under the names that they have.

    Attributes:
        config: `config.json`, decoded.

    Raises:
        WeightsUnusable: it is not one, or a file of it is damaged.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        try:
            self.config = read_config(folder)
            self._family: ModelFamily = read_family(folder)
        except ModelConfigError as error:
            raise WeightsUnusable(f"{folder}: {error}") from error
        self._spec: FamilySpec = family_named(self._family.name)

    def tensors(self) -> list[Tensor]:
        """Return all tensors of all shards; a tied head that was stored anyway is left out.

        Raises:
            WeightsUnusable: a shard is damaged, or holds other tensors than the family has.
        """
        found = find_tensors(self._folder, self._family.config, self._spec.tensors)
        return [
            _tensor(stored, found.get(name + SCALE))
            for name, stored in found.items()
            if not name.endswith(SCALE)
        ]

    def copy_tokenizer(self, target: Path) -> None:
        """Copy the tokenizer's files, or make `tokenizer.json` where only its older form is there.

        Raises:
            WeightsUnusable: there is neither, or the older form is damaged.
        """
        for name in TOKENIZER_FILES:
            if (self._folder / name).is_file():
                shutil.copyfile(self._folder / name, target / name)
        if (self._folder / "tokenizer.json").is_file():
            return
        if not self._spec.splits_like_qwen2 or not (self._folder / "vocab.json").is_file():
            raise WeightsUnusable(f"{self._folder} holds no tokenizer.json; fetch it too")
        write_tokenizer(_older_vocabulary(self._folder), target / "tokenizer.json")

    def sha256(self) -> str:
        """Return the sum of the one tensor file, or a sum over the sums of several."""
        sums = [(path.name, sha256_of(path)) for path in tensor_files(self._folder)]
        if len(sums) == 1:
            return sums[0][1]
        lines = "".join(f"{digest}  {name}\n" for name, digest in sums)
        return hashlib.sha256(lines.encode()).hexdigest()


def _tensor(stored: StoredTensor, scale: StoredTensor | None) -> Tensor:
    step = rows_per_piece(stored.shape)

    def pieces() -> Iterator[NDArray[np.float32]]:
        values = stored.map()
        scales = None if scale is None else widened(scale.map(), scale.kind)
        for row in range(0, stored.shape[0], step):
            piece = widened(values[row : row + step], stored.kind)
            yield piece if scales is None else piece * scales[row : row + step]

    return Tensor(name=stored.name, shape=stored.shape, pieces=pieces)


def _older_vocabulary(folder: Path) -> Vocabulary:
    """`vocab.json`, `merges.txt` and the marks, as one vocabulary."""
    path = folder / "vocab.json"
    try:
        normal = msgspec.json.decode(path.read_bytes(), type=dict[str, int])
        lines = (folder / "merges.txt").read_text(encoding="utf-8").splitlines()
        marks = TokenIds(folder).by_name
    except (OSError, ValueError, msgspec.MsgspecError) as error:
        raise WeightsUnusable(
            f"the tokenizer files in {folder} cannot be read ({error}); fetch them again"
        ) from error
    size = 1 + max([*normal.values(), *marks.values()], default=0)
    if size > _LARGEST_VOCABULARY or min(normal.values(), default=0) < 0:
        raise WeightsUnusable(f"{path} holds ids that no vocabulary has; fetch it again")
    tokens, kinds = [""] * size, [TokenKind.UNUSED] * size
    for found, kind in ((normal, TokenKind.NORMAL), (marks, TokenKind.SPECIAL)):
        for token, place in found.items():
            tokens[place], kinds[place] = token, kind
    merges = tuple(line for line in lines if line and not line.startswith("#version"))
    return Vocabulary(tokens=tuple(tokens), kinds=tuple(kinds), merges=merges)
