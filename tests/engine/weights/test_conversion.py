from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from midspan_engine.weights import tensors
from midspan_engine.weights.conversion import convert
from midspan_engine.weights.errors import WeightsUnusable
from midspan_engine.weights.progress import Silent
from midspan_engine.weights.sources import from_path

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_a_gguf_becomes_the_float16_of_its_dequantised_values(
    make_gguf: Callable[..., Any], cache: Path, notes: Any
) -> None:
    tiny = make_gguf(head="own")
    files = convert("tiny", from_path(tiny.path, None), cache / "models" / "tiny", notes)
    loaded = load_file(files.tensors[0])
    assert np.array_equal(
        loaded["model.layers.1.mlp.down_proj.weight"],
        tiny.expected["blk.1.ffn_down.weight"].astype(np.float16),
    )
    assert np.array_equal(
        loaded["lm_head.weight"], tiny.expected["output.weight"].astype(np.float16)
    )
    assert len(loaded) == len(tiny.expected)
    assert files.sha256 == tiny.sha256
    assert (
        notes.done["converting"]
        == notes.totals["converting"]
        == sum(values.nbytes for values in loaded.values())
    )


def test_a_tensor_of_many_pieces_is_joined_in_order(
    make_gguf: Callable[..., Any], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tensors, "PIECE_ELEMENTS", 150)
    tiny = make_gguf(head="none")
    files = convert("tiny", from_path(tiny.path, None), cache / "models" / "tiny", Silent())
    loaded = load_file(files.tensors[0])
    assert np.array_equal(
        loaded["model.embed_tokens.weight"], tiny.expected["token_embd.weight"].astype(np.float16)
    )


def test_values_that_float16_cannot_hold_are_refused_and_leave_nothing(
    make_gguf: Callable[..., Any], cache: Path
) -> None:
    tiny = make_gguf(head="none", scale=2e5)
    folder = cache / "models" / "tiny"
    with pytest.raises(WeightsUnusable, match="float16 cannot hold"):
        convert("tiny", from_path(tiny.path, None), folder, Silent())
    assert list(folder.parent.iterdir()) == []


def test_a_new_conversion_replaces_an_older_folder(
    make_gguf: Callable[..., Any], cache: Path
) -> None:
    folder = cache / "models" / "tiny"
    folder.mkdir(parents=True)
    (folder / "stale").write_text("x")
    files = convert("tiny", from_path(make_gguf().path, None), folder, Silent())
    assert not (folder / "stale").exists()
    assert [path.name for path in folder.parent.iterdir()] == ["tiny"]
    assert files.config.is_file()


def test_bfloat16_shards_become_one_float16_file(
    make_folder: Callable[..., Path], cache: Path
) -> None:
    values = np.array([[1.0, -2.5], [0.15625, 96.0]], np.float32)
    raw = (values.view(np.uint32) >> 16).astype("<u2").tobytes()
    shards = {
        "model-00001-of-00002.safetensors": {"model.embed_tokens.weight": ("BF16", [2, 2], raw)},
        "model-00002-of-00002.safetensors": {
            "lm_head.weight": ("BF16", [2, 2], raw),
            "model.norm.weight": ("F32", [2], np.array([1, 3], "<f4").tobytes()),
        },
    }
    source = make_folder(shards, {"model_type": "qwen2", "tie_word_embeddings": True})
    files = convert("x", from_path(source, None), cache / "models" / "x", Silent())
    loaded = load_file(files.tensors[0])
    assert set(loaded) == {"model.embed_tokens.weight", "model.norm.weight"}
    assert np.array_equal(loaded["model.embed_tokens.weight"], values.astype(np.float16))
    assert loaded["model.norm.weight"].tolist() == [1, 3]
    assert json.loads(files.config.read_text())["model_type"] == "qwen2"


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (("F32", [4], b"\0" * 8), "cut off"),
        (("I8", [8], b"\0" * 8), "stored as I8"),
    ],
)
def test_a_damaged_shard_is_refused(
    make_folder: Callable[..., Path], cache: Path, entry: tuple[str, list[int], bytes], message: str
) -> None:
    source = make_folder({"model.safetensors": {"a": entry}}, {})
    with pytest.raises(WeightsUnusable, match=message):
        convert("x", from_path(source, None), cache / "models" / "x", Silent())


def test_a_file_that_only_claims_to_be_safetensors_is_refused(
    make_folder: Callable[..., Path], cache: Path
) -> None:
    source = make_folder({"model.safetensors": {}}, {})
    (source / "model.safetensors").write_bytes(b"<html>not found</html>")
    with pytest.raises(WeightsUnusable, match="not a safetensors file"):
        convert("x", from_path(source, None), cache / "models" / "x", Silent())
