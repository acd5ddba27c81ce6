"""From an `InfillRequest` to the token ids around a canvas."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from midspan_engine.decoding.layout import required_indent

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from midspan_engine.canvas.settings import CanvasConfig
    from midspan_engine.models.family import ModelFamily
    from midspan_engine.protocol import InfillRequest
    from midspan_engine.tokenizer import Tokenizer

_LONGEST_TOKEN = 16
"""Characters that no stretch of real text exceeds per token."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CanvasContext:
    """Token ids of a request.

    Attributes:
        prefix: Before the span.
        suffix: After it.
        lead: Tokens before the span that are run as rows of it and are no part of `prefix`: the
            last one, for networks whose rows predict the next place, and for those that decode in
            blocks what stands in the span's own first block.
        offset: How many rows after the first lead the first place is predicted.
        pending: Bytes that the span has to begin with and that stand in the text already: the part
            of a word before the cursor.
        indent: Blanks that the layout demands; they are part of `prefix`, and the answer begins
            with them.
    """

    prefix: NDArray[np.int32]
    suffix: NDArray[np.int32]
    lead: NDArray[np.int32]
    offset: int
    pending: bytes
    indent: str

    @property
    def length(self) -> int:
        """Tokens of prefix and suffix."""
        return len(self.prefix) + len(self.suffix) + len(self.lead)


def build_context(
    request: InfillRequest, tokenizer: Tokenizer, family: ModelFamily, config: CanvasConfig
) -> CanvasContext:
    """Encode what stands around the hole, cut to what the model may see."""
    indent = required_indent(request.prefix, request.language)
    far = max(0, len(request.prefix) - config.prefix_tokens * _LONGEST_TOKEN)
    text = request.prefix[far:] + indent
    pending = b""
    if text[-1:].isalpha() or text[-1:] == "_":
        prefix, pending = tokenizer.heal(text)
    else:
        prefix = tokenizer.encode(text)
    suffix = tokenizer.encode(request.suffix[: config.suffix_tokens * _LONGEST_TOKEN])
    # The mark belongs to the end of a file, not to where we stop reading.
    is_whole = 0 < len(suffix) <= config.suffix_tokens
    prefix = prefix[max(0, len(prefix) - config.prefix_tokens) :]
    suffix = suffix[: config.suffix_tokens]
    marks = family.marks
    assert marks is not None
    if marks.fim is not None:
        before = [marks.fim[0], *prefix, marks.fim[1], *suffix, marks.fim[2]]
        after: list[int] = []
    else:
        before = [*([] if marks.begin is None else [marks.begin]), *prefix]
        after = [*suffix, *([] if marks.end is None or not is_whole else [marks.end])]
    if family.shift and not before:
        before = [marks.mask if marks.end is None else marks.end]
    lead = len(before) % family.block if family.block else 0
    lead = max(lead, 1) if family.shift else lead
    cut = len(before) - lead
    return CanvasContext(
        prefix=np.array(before[:cut], np.int32),
        suffix=np.array(after, np.int32),
        lead=np.array(before[cut:], np.int32),
        offset=lead - family.shift,
        pending=pending,
        indent=indent,
    )
