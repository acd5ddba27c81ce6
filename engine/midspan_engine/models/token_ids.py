"""Ids of a tokenizer's marks by name, from whichever of its files tells them.

`tokenizer.json` has most of them, but some models name their mask in another file only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from midspan_engine.models.config import ModelConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

TOKENIZER_FILES = (
    "tokenizer.json",
    "added_tokens.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
)


_Id = Annotated[int, msgspec.Meta(ge=0)]


class _Token(msgspec.Struct, frozen=True):
    id: _Id
    content: str


class _Content(msgspec.Struct, frozen=True):
    content: str


class _Tokenizer(msgspec.Struct, frozen=True):
    added_tokens: list[_Token] = msgspec.field(default_factory=list)


class _Named(msgspec.Struct, frozen=True):
    """The same in `tokenizer_config.json` and `special_tokens_map.json`."""

    added_tokens_decoder: dict[_Id, _Content] = msgspec.field(default_factory=dict)
    mask_token: str | _Content | None = None


class TokenIds:
    """Ids of the marks of a model folder.

    Attributes:
        mask_name: What the files call the mask, where they say so.

    Raises:
        ModelConfigError: a file is damaged, or two of them disagree.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ids: dict[str, int] = {}
        self.mask_name: str | None = None
        self._add(
            "tokenizer.json",
            ((token.content, token.id) for token in self._tokenizer().added_tokens),
        )
        self._add("added_tokens.json", _read(folder, "added_tokens.json", dict[str, _Id]).items())
        for name in ("tokenizer_config.json", "special_tokens_map.json"):
            named: _Named = _read(folder, name, _Named)
            decoder = named.added_tokens_decoder
            self._add(name, ((token.content, place) for place, token in decoder.items()))
            mask = named.mask_token
            found = mask.content if isinstance(mask, _Content) else mask
            self.mask_name = self.mask_name or found

    def __contains__(self, name: str) -> bool:
        return name in self._ids

    def first(self, names: Iterable[str]) -> int | None:
        """Id of the first of `names` that the tokenizer has."""
        return next((self._ids[name] for name in names if name in self._ids), None)

    @property
    def by_name(self) -> dict[str, int]:
        """All marks."""
        return dict(self._ids)

    def has_id(self, token: int) -> bool:
        """Whether some mark has this id."""
        return token in self._ids.values()

    def _tokenizer(self) -> _Tokenizer:
        return _read(self._folder, "tokenizer.json", _Tokenizer)  # type: ignore[no-any-return]

    def _add(self, file: str, pairs: Iterable[tuple[str, int]]) -> None:
        for name, token in pairs:
            known = self._ids.setdefault(name, token)
            if known != token:
                raise ModelConfigError(
                    f"{self._folder / file}: {name!r} has the id {token} here and {known} "
                    "elsewhere; fetch the tokenizer's files again, from one revision"
                )


def _read(folder: Path, name: str, kind: Any) -> Any:
    """Decode one file; an empty `kind` where it is not there."""
    path = folder / name
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except FileNotFoundError:
        return kind() if isinstance(kind, type) else {}
    except (msgspec.DecodeError, OSError, RecursionError, UnicodeDecodeError) as error:
        raise ModelConfigError(
            f"{path} is damaged ({error}); fetch the model's tokenizer files again"
        ) from error
