"""What was fitted for one canvas model and lies beside its weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from midspan_engine.decoding.confidence import Calibration
from midspan_engine.models.config import ModelConfigError

if TYPE_CHECKING:
    from pathlib import Path

_FILE = "decoding.json"
# Without a fit: the chance that all tokens are right at once, a little distrusted.
_UNFITTED = Calibration(
    bias=2.0, mean_logprob=6.0, lowest_logprob=0.5, suffix_logprob=0.0, tokens=-0.5
)


class Fitted(msgspec.Struct, frozen=True, kw_only=True):
    """Contents of `decoding.json`.

    Attributes:
        calibration: From scores to the probability of an exact match.
        usual: Confidence that an untouched span of so many masks usually has; see `canvas.length`.
        masks: How many masks a span begins with.
    """

    calibration: Calibration = _UNFITTED
    usual: dict[int, float] = {}
    masks: int = 8


def read_fitted(folder: Path) -> Fitted:
    """What was fitted for the model in `folder`; a cautious guess where nothing was.

    Raises:
        ModelConfigError: the file is damaged.
    """
    path = folder / _FILE
    if not path.is_file():
        return Fitted()
    try:
        return msgspec.json.decode(path.read_bytes(), type=Fitted)
    except (msgspec.DecodeError, OSError) as error:
        raise ModelConfigError(f"{path} cannot be read: {error}") from error


def write_fitted(folder: Path, fitted: Fitted) -> None:
    """Keep it beside the weights."""
    text = msgspec.json.format(msgspec.json.encode(fitted), indent=2)
    (folder / _FILE).write_bytes(text + b"\n")
