from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from safetensors.torch import load_file as load_torch
from tokenizers import Tokenizer

from midspan_engine.models.family import load_transformer, read_family
from midspan_engine.weights import tensors
from midspan_engine.weights.conversion import convert
from midspan_engine.weights.errors import WeightsUnusable
from midspan_engine.weights.files import read_folder
from midspan_engine.weights.gguf_file import GgufFile
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


def _bfloat16(values: np.ndarray[Any, Any]) -> tuple[str, list[int], bytes]:
    bits = (values.view(np.uint32) >> 16).astype("<u2")
    return "BF16", list(values.shape), bits.tobytes()


def _float32(values: np.ndarray[Any, Any]) -> tuple[str, list[int], bytes]:
    return "F32", list(values.shape), values.tobytes()


def test_bfloat16_shards_become_one_float16_file(
    make_qwen2: Callable[..., Path], cache: Path
) -> None:
    source = make_qwen2(_bfloat16, shards=3)
    files = convert("x", from_path(source, None), cache / "models" / "x", Silent())
    loaded = load_file(files.tensors[0])
    stored = load_torch(source / "model-00001-of-00003.safetensors") | load_torch(
        source / "model-00002-of-00003.safetensors"
    )
    assert len(loaded) == 14
    assert "lm_head.weight" not in loaded
    for name, value in stored.items():
        if name != "lm_head.weight":
            assert np.array_equal(loaded[name], value.half().numpy())
    assert json.loads(files.config.read_text())["model_type"] == "qwen2"
    assert read_family(files.folder).name == "qwen2"


def test_the_files_that_name_the_marks_come_along(
    make_qwen2: Callable[..., Path], cache: Path
) -> None:
    source = make_qwen2(_float32)
    (source / "added_tokens.json").write_text('{"<M>": 7}')
    files = convert("x", from_path(source, None), cache / "models" / "x", Silent())
    family = read_family(files.folder)
    assert family.name == "open-dcoder"
    assert family.marks is not None
    assert family.marks.mask == 7
    load_transformer(files.folder, family, dtype=torch.float32)


def test_an_older_tokenizer_becomes_one_file(make_qwen2: Callable[..., Path], cache: Path) -> None:
    source = make_qwen2(_float32, model_type="Dream", architectures=["DreamModel"])
    (source / "tokenizer.json").unlink()
    with pytest.raises(WeightsUnusable, match=r"no tokenizer\.json"):
        read_folder(source)
    letters = ["a", "b", "Ġ", "ab", "Ġab"]
    (source / "vocab.json").write_text(json.dumps({token: i for i, token in enumerate(letters)}))
    (source / "merges.txt").write_text("#version: 0.2\na b\nĠ ab\n", encoding="utf-8")
    marks = {"<|endoftext|>": 5, "<|mask|>": 6}
    (source / "added_tokens.json").write_text(json.dumps(marks))
    with pytest.raises(WeightsUnusable, match="run: midspan pull --from"):
        read_folder(source)
    files = convert("x", from_path(source, None), cache / "models" / "x", Silent())
    tokenizer = Tokenizer.from_file(str(files.tokenizer))
    assert tokenizer.encode("ab ab<|mask|>").ids == [3, 4, 6]
    assert read_family(files.folder).name == "dream"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("vocab.json", "["),
        ("vocab.json", '{"a": -1}'),
        ("vocab.json", '{"a": 99999999999}'),
        ("merges.txt", "nothing known\n"),
    ],
)
def test_a_damaged_older_tokenizer_is_refused(
    make_qwen2: Callable[..., Path], cache: Path, name: str, content: str
) -> None:
    source = make_qwen2(_float32)
    (source / "tokenizer.json").unlink()
    (source / "vocab.json").write_text('{"a": 0}')
    (source / "merges.txt").write_text("")
    (source / name).write_text(content)
    with pytest.raises(WeightsUnusable, match="fetch"):
        convert("x", from_path(source, None), cache / "models" / "x", Silent())


def test_a_model_of_no_known_family_is_refused(
    make_qwen2: Callable[..., Path], cache: Path
) -> None:
    source = make_qwen2(_float32, model_type="gpt_neox")
    with pytest.raises(WeightsUnusable, match=r"'gpt_neox'.*it runs open-dcoder, qwen2"):
        convert("x", from_path(source, None), cache / "models" / "x", Silent())
    assert list((cache / "models").iterdir()) == []


def test_a_gguf_with_a_tensor_missing_is_refused(
    make_gguf: Callable[..., Any], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = GgufFile.tensors
    monkeypatch.setattr(GgufFile, "tensors", lambda self: whole(self)[:-1])
    with pytest.raises(WeightsUnusable, match="lack"):
        convert("x", from_path(make_gguf().path, None), cache / "models" / "x", Silent())


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (("F32", [4], b"\0" * 8), "by its place"),
        (("I64", [1], b"\0" * 8), "stored as I64"),
    ],
)
def test_a_damaged_shard_is_refused(
    make_folder: Callable[..., Path],
    make_qwen2: Callable[..., Path],
    cache: Path,
    entry: tuple[str, list[int], bytes],
    message: str,
) -> None:
    config = json.loads((make_qwen2(_float32) / "config.json").read_text())
    source = make_folder({"model.safetensors": {"a": entry}}, config)
    with pytest.raises(WeightsUnusable, match=message):
        convert("x", from_path(source, None), cache / "models" / "x", Silent())


def test_a_file_that_only_claims_to_be_safetensors_is_refused(
    make_qwen2: Callable[..., Path], cache: Path
) -> None:
    source = make_qwen2(_float32)
    (source / "model.safetensors").write_bytes(b"<html>not found</html>")
    with pytest.raises(WeightsUnusable, match="not a safetensors file"):
        convert("x", from_path(source, None), cache / "models" / "x", Silent())
