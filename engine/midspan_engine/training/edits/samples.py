"""Edit samples on disk: one compressed file of text records for each package."""

from __future__ import annotations

import json
import os
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from midspan_engine.decoding.edit_prompt import EditContext
from midspan_engine.protocol import PastEdit
from midspan_engine.training.data_shards import ShardError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

REAL = "release"


class EditSample(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """A region, what led up to it, and what it became; all texts are whole lines."""

    kind: str
    """`release` for a change between two releases, otherwise the name of the refactoring."""
    language: str
    path: str
    history: tuple[tuple[str, str], ...]
    """(path, hunk) oldest first; never empty."""
    before: str
    original: str
    updated: str
    after: str

    @property
    def quiet(self) -> bool:
        """Whether the right answer is no edit."""
        return self.original == self.updated

    @property
    def context(self) -> EditContext:
        """All but the answer."""
        return EditContext(
            path=self.path,
            history=tuple(PastEdit(path=path, diff=diff) for path, diff in self.history),
            before=self.before,
            original=self.original,
            after=self.after,
        )


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(list[EditSample])


def write_samples(path: Path, samples: Sequence[EditSample]) -> None:
    """Write atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_bytes(zlib.compress(_ENCODER.encode(samples), 9))
    temporary.replace(path)


def read_samples(path: Path) -> list[EditSample]:
    """Read one package's samples.

    Raises:
        ShardError: missing or damaged file.
    """
    try:
        return _DECODER.decode(zlib.decompress(path.read_bytes()))
    except (OSError, zlib.error, msgspec.DecodeError) as error:
        raise ShardError(
            f"{path} is damaged ({error}): remove the folder's manifest.json and run "
            "`midspan train edit-data` again"
        ) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class EditCorpus:
    """The samples of one split."""

    changed: list[EditSample]
    quiet: list[EditSample]

    @classmethod
    def load(cls, folder: Path, *, held_out: bool) -> EditCorpus:
        """Read what `manifest.json` in the folder names.

        Raises:
            ShardError: there is no data for this split.
        """
        manifest = folder / "manifest.json"
        if not manifest.is_file():
            raise ShardError(
                f"{manifest} is missing: run `midspan train edit-data --data {folder}`"
            )
        samples: list[EditSample] = []
        for entry in json.loads(manifest.read_text(encoding="utf-8"))["packages"]:
            if entry["held_out"] == held_out and entry["samples"]:
                samples += read_samples(folder / "samples" / f"{entry['key']}.msgpack.z")
        split = cls(
            changed=[sample for sample in samples if not sample.quiet],
            quiet=[sample for sample in samples if sample.quiet],
        )
        if not (split.changed and split.quiet):
            kind = "held-out" if held_out else "training"
            raise ShardError(f"{folder} lacks {kind} samples: run `midspan train edit-data`")
        return split
