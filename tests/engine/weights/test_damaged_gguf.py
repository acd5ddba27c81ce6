"""A GGUF from a stranger becomes the same model, or is refused with a reason."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gguf
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from midspan_engine.models.config import ModelConfigError, TransformerConfig
from midspan_engine.weights.errors import WeightsUnusable
from midspan_engine.weights.gguf_file import GgufFile
from midspan_engine.weights.vocabulary import write_tokenizer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

fuzzed = settings(
    max_examples=120,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def _read(path: Path) -> object:
    opened = GgufFile(path)
    TransformerConfig.from_mapping(opened.config())
    write_tokenizer(opened.vocabulary(), path.with_name("tokenizer.json"))
    return [
        (tensor.name, [float(np.abs(piece).sum()) for piece in tensor.pieces()])
        for tensor in opened.tensors()
    ]


def _reads_or_refuses(path: Path) -> None:
    try:
        _read(path)
    except (WeightsUnusable, ModelConfigError) as error:
        reason = str(error)
    else:
        return
    assert len(reason) > 20


def test_any_truncation_is_refused(make_gguf: Callable[..., Any]) -> None:
    path = make_gguf().path
    whole = path.read_bytes()
    for share in np.linspace(0, 0.999, 60):
        path.write_bytes(whole[: int(share * len(whole))])
        with pytest.raises(WeightsUnusable):
            _read(path)


@fuzzed
@given(data=st.data())
def test_any_change_in_the_description_is_harmless(
    make_gguf: Callable[..., Any], data: st.DataObject
) -> None:
    path = make_gguf().path
    whole = bytearray(path.read_bytes())
    end = gguf.GGUFReader(path).data_offset
    # Values stand first and shapes last; most of what is between are letters.
    places = st.integers(0, 1_500) | st.integers(0, end - 1) | st.integers(end - 3_000, end - 1)
    for place in data.draw(st.lists(places, min_size=1, max_size=4)):
        whole[place] = data.draw(st.integers(0, 255))
    path.write_bytes(whole)
    _reads_or_refuses(path)
