"""What an answer has to contain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from midspan_engine.protocol import RequestRejected

if TYPE_CHECKING:
    from midspan_engine.protocol import InfillRequest
    from midspan_engine.tokenizer import Tokenizer


@dataclass(frozen=True, slots=True, kw_only=True)
class Required:
    """Texts that stand in the span from the beginning, with masks before, between and behind them.

    Attributes:
        runs: Tokens of each, in order.
        texts: The same as these tokens spell them.
        most: Tokens of the whole answer.
    """

    runs: tuple[tuple[int, ...], ...]
    texts: tuple[str, ...]
    most: int

    @classmethod
    def of(cls, request: InfillRequest, tokenizer: Tokenizer, most: int) -> Required:
        """Those of a request.

        Raises:
            RequestRejected: they leave no room for a mask in each gap.
        """
        runs = tuple(tuple(tokenizer.encode(text)) for text in request.require if text)
        texts = tuple(tokenizer.decode(run) for run in runs)
        made = cls(runs=runs, texts=texts, most=most)
        if made.room < made.gaps:
            message = f"require: too long for an answer of {most} tokens (max_tokens)"
            raise RequestRejected("bad_request", message)
        return made

    @property
    def gaps(self) -> int:
        """Places for masks."""
        return len(self.runs) + 1

    @property
    def room(self) -> int:
        """Tokens that are left for all gaps together."""
        return self.most - sum(map(len, self.runs))

    def masks(self, wanted: int) -> int:
        """Masks of each gap, as many as are wanted or fit."""
        return max(1, min(wanted, self.room // self.gaps))

    def are_in(self, text: str) -> bool:
        """Whether the text has all of them, in order."""
        at = 0
        for wanted in self.texts:
            at = text.find(wanted, at)
            if at < 0:
                return False
            at += len(wanted)
        return True
