"""A tiny network with random weights and a tokenizer of its own, as a model folder."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file
from safetensors.torch import save_file as save_tensors
from tokenizers import AddedToken, decoders, models, pre_tokenizers, trainers
from tokenizers import Tokenizer as FastTokenizer

from midspan_engine.models.adapter_file import AdapterArrays
from midspan_engine.models.config import TransformerConfig
from midspan_engine.models.family import ModelFamily, read_family
from midspan_engine.models.transformer import Transformer
from midspan_engine.tokenizer import Tokenizer
from midspan_engine.training.scratch.settings import NetworkSettings
from midspan_engine.training.scratch.vocabulary import train_vocabulary, write_vocabulary

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

MARKS = (
    "<|endoftext|>",
    "<|im_end|>",
    "<|fim_prefix|>",
    "<|fim_middle|>",
    "<|fim_suffix|>",
    "<|fim_pad|>",
    "<|repo_name|>",
    "<|file_sep|>",
)
TEXT = """
def load_module(name, path):
    with open(path) as handle:
        return [line.rstrip() for line in handle]


class Reader:
    def __init__(self, path):
        self.path = path
        self.lines = load_module("reader", path)

    def count(self):
        return len(self.lines)
"""


def _write_tokenizer(path: Path) -> int:
    fast = FastTokenizer(models.BPE())
    fast.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    fast.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    fast.train_from_iterator([TEXT], trainer)
    fast.add_special_tokens([AddedToken(mark, special=True) for mark in MARKS])
    fast.save(str(path))
    return int(fast.get_vocab_size())


def _tensors(config: TransformerConfig) -> dict[str, NDArray[np.float16]]:
    random = np.random.default_rng(7)

    def matrix(*shape: int, scale: float = 0.15) -> NDArray[np.float16]:
        return (random.standard_normal(shape) * scale).astype(np.float16)

    hidden, wide = config.hidden_size, config.intermediate_size
    narrow = config.num_key_value_heads * config.head_dim
    tensors = {
        "model.embed_tokens.weight": matrix(config.vocab_size, hidden, scale=1.0),
        "model.norm.weight": np.ones(hidden, np.float16),
    }
    for layer in range(config.num_hidden_layers):
        root = f"model.layers.{layer}."
        for name, out in (("q", hidden), ("k", narrow), ("v", narrow)):
            tensors[f"{root}self_attn.{name}_proj.weight"] = matrix(out, hidden)
            tensors[f"{root}self_attn.{name}_proj.bias"] = matrix(out)
        tensors[f"{root}self_attn.o_proj.weight"] = matrix(hidden, hidden)
        tensors[f"{root}mlp.gate_proj.weight"] = matrix(wide, hidden)
        tensors[f"{root}mlp.up_proj.weight"] = matrix(wide, hidden)
        tensors[f"{root}mlp.down_proj.weight"] = matrix(hidden, wide)
        for name in ("input_layernorm", "post_attention_layernorm"):
            tensors[f"{root}{name}.weight"] = np.ones(hidden, np.float16)
    return tensors


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder in Hugging Face layout; do not write to it."""
    folder = tmp_path_factory.mktemp("tiny") / "tiny"
    folder.mkdir()
    vocabulary = _write_tokenizer(folder / "tokenizer.json")
    described = {
        "model_type": "qwen2",
        "architectures": ["Qwen2ForCausalLM"],
        "vocab_size": vocabulary,
        "hidden_size": 128,
        "intermediate_size": 256,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "rms_norm_eps": 1e-6,
        "rope_theta": 10000.0,
        "tie_word_embeddings": True,
        "max_position_embeddings": 4096,
    }
    (folder / "config.json").write_text(json.dumps(described), encoding="utf-8")
    save_file(_tensors(TransformerConfig.from_folder(folder)), folder / "model.safetensors")
    return folder


@pytest.fixture(scope="session")
def tiny_tokenizer(tiny_folder: Path) -> Tokenizer:
    return Tokenizer(tiny_folder / "tokenizer.json")


@pytest.fixture(scope="session")
def tiny_adapter(tiny_folder: Path) -> AdapterArrays:
    """Random low-rank weights, large enough to change every prediction."""
    config = TransformerConfig.from_folder(tiny_folder)
    random = np.random.default_rng(11)
    hidden, wide = config.hidden_size, config.intermediate_size
    narrow = config.num_key_value_heads * config.head_dim
    shapes = {
        "q_proj": (hidden, hidden),
        "k_proj": (narrow, hidden),
        "v_proj": (narrow, hidden),
        "o_proj": (hidden, hidden),
        "gate_proj": (wide, hidden),
        "up_proj": (wide, hidden),
        "down_proj": (hidden, wide),
    }
    pairs = {
        (layer, name): (
            (random.standard_normal((4, shape[1])) * 0.2).astype(np.float32),
            (random.standard_normal((shape[0], 4)) * 0.2).astype(np.float32),
        )
        for layer in range(config.num_hidden_layers)
        for name, shape in shapes.items()
    }
    mask = random.standard_normal(hidden).astype(np.float32)
    return AdapterArrays(mask_embedding=mask, pairs=pairs)


@pytest.fixture(scope="session")
def make_canvas_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Makes folders of a canvas model with random weights; do not write to them."""

    def make(layers: int = 2) -> Path:
        folder = tmp_path_factory.mktemp("canvas") / "canvas"
        vocabulary = train_vocabulary(TEXT.splitlines(keepends=True), 400)
        write_vocabulary(vocabulary, folder / "tokenizer.json")
        sizes = NetworkSettings(
            vocabulary=vocabulary.get_vocab_size(),
            hidden=64,
            layers=layers,
            heads=4,
            key_value_heads=2,
            mlp=128,
        )
        torch.manual_seed(5)
        network = Transformer(sizes.config())
        for parameter in network.parameters():
            if parameter.dim() > 1:
                torch.nn.init.normal_(parameter, std=0.3)
        tensors = {f"model.{name}": part.half() for name, part in network.state_dict().items()}
        save_tensors(tensors, folder / "model.safetensors")
        described = {"model_type": "midspan-nano", "objective": "diffusion"}
        described |= dataclasses.asdict(sizes.config())
        (folder / "config.json").write_text(json.dumps(described), encoding="utf-8")
        return folder

    return make


@pytest.fixture(scope="session")
def canvas_folder(make_canvas_folder: Callable[..., Path]) -> Path:
    """A canvas model in our own layout; do not write to it."""
    return make_canvas_folder()


@pytest.fixture(scope="session")
def canvas_family(canvas_folder: Path) -> ModelFamily:
    return read_family(canvas_folder)


@pytest.fixture(scope="session")
def canvas_tokenizer(canvas_folder: Path) -> Tokenizer:
    return Tokenizer(canvas_folder / "tokenizer.json")
