from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gguf
import numpy as np
import pytest

from midspan_engine.weights.errors import WeightsUnusable
from midspan_engine.weights.gguf_file import GgufFile

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    MakeGguf = Callable[..., Any]


def test_config_says_what_the_metadata_say(make_gguf: MakeGguf) -> None:
    config = GgufFile(make_gguf().path).config()
    assert config["hidden_size"] == 64
    assert config["num_hidden_layers"] == 2
    assert config["num_attention_heads"] == 4
    assert config["num_key_value_heads"] == 2
    assert config["rms_norm_eps"] == 1e-6
    assert config["rope_theta"] == 1_000_000.0
    assert config["vocab_size"] == 274


@pytest.mark.parametrize(("head", "tied"), [("none", True), ("fine", True), ("own", False)])
def test_a_head_counts_as_tied_only_if_it_is_the_embedding(
    make_gguf: MakeGguf, head: str, tied: bool
) -> None:
    opened = GgufFile(make_gguf(head=head).path)
    names = [tensor.name for tensor in opened.tensors()]
    assert opened.config()["tie_word_embeddings"] is tied
    assert ("lm_head.weight" in names) is not tied
    assert names.count("model.embed_tokens.weight") == 1


def test_of_two_copies_of_a_tied_matrix_the_finer_is_kept(make_gguf: MakeGguf) -> None:
    tiny = make_gguf(head="fine")
    embedding = next(
        tensor
        for tensor in GgufFile(tiny.path).tensors()
        if tensor.name == "model.embed_tokens.weight"
    )
    values = np.concatenate(list(embedding.pieces()))
    assert np.array_equal(values, tiny.expected["output.weight"])
    assert not np.array_equal(values, tiny.expected["token_embd.weight"])


def test_tensors_carry_the_names_of_the_original(make_gguf: MakeGguf) -> None:
    names = {tensor.name for tensor in GgufFile(make_gguf().path).tensors()}
    assert "model.layers.1.self_attn.o_proj.weight" in names
    assert "model.layers.0.self_attn.k_proj.bias" in names
    assert "model.layers.0.post_attention_layernorm.weight" in names
    assert "model.norm.weight" in names
    assert len(names) == 2 + 2 * 12


def test_another_family_is_refused_by_name(make_gguf: MakeGguf) -> None:
    with pytest.raises(WeightsUnusable, match="'llama'"):
        GgufFile(make_gguf(architecture="llama").path)


def test_what_is_no_gguf_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.gguf"
    path.write_bytes(b"not a model at all, and long enough to be looked at")
    with pytest.raises(WeightsUnusable, match="cannot be read as GGUF"):
        GgufFile(path)


@pytest.mark.parametrize("share", [0.2, 0.5, 0.97])
def test_a_cut_off_file_is_refused(make_gguf: MakeGguf, share: float) -> None:
    path = make_gguf().path
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(WeightsUnusable, match="cannot be read as GGUF"):
        GgufFile(path)


def test_another_splitter_is_refused(make_gguf: MakeGguf) -> None:
    path = make_gguf().path
    reader = gguf.GGUFReader(path, "r+")
    field = reader.get_field("tokenizer.ggml.pre")
    assert field is not None
    field.parts[field.data[0]][:] = np.frombuffer(b"llama", np.uint8)
    reader.data.flush()
    with pytest.raises(WeightsUnusable, match="tokenizer"):
        GgufFile(path).vocabulary()
