"""Every family: a small random checkpoint as its makers write it, and a network by other hands."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
import torch
from safetensors.torch import save_file
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from midspan_engine.models.family import CanvasMarks

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from torch import Tensor, nn

VOCABULARY = 120
SIZES: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 48,
    "intermediate_size": 80,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "rms_norm_eps": 1e-5,
    "rope_theta": 500_000.0,
    "max_position_embeddings": 256,
    "tie_word_embeddings": False,
}


@dataclass(frozen=True, kw_only=True)
class Case:
    """What a repository's files say, and what we should make of it."""

    family: str
    reference: str
    says: dict[str, Any]
    tokenizer: dict[str, dict[str, Any]]
    decoding: str
    shift: bool
    block: int = 0
    layout: str = "raw"
    marks: CanvasMarks | None
    dtype: torch.dtype = torch.float32
    shard: str = "5GB"
    sizes: dict[str, Any] = field(default_factory=dict)


def _added(**tokens: int) -> dict[str, Any]:
    return {"added_tokens": [{"id": i, "content": f"<|{name}|>"} for name, i in tokens.items()]}


def _dream(**more: Any) -> dict[str, Any]:
    return {
        "model_type": "Dream",
        "architectures": ["DreamModel"],
        "auto_map": {
            "AutoConfig": "configuration_dream.DreamConfig",
            "AutoModel": "modeling_dream.DreamModel",
        },
        "mask_token_id": 111,
        "rope_scaling": None,
        "sliding_window": None,
        "use_mrope": False,
        "use_sliding_window": False,
        **more,
    }


_FIM = {"fim_prefix": 103, "fim_middle": 104, "fim_suffix": 105}
_DREAM_TOKENS = {"<|endoftext|>": 100, "<|beginoftext|>": 110, "<|mask|>": 111}
CASES = (
    Case(
        family="qwen2",
        reference="qwen2",
        says={"model_type": "qwen2", "architectures": ["Qwen2ForCausalLM"]},
        tokenizer={"tokenizer.json": _added(endoftext=100)},
        decoding="causal",
        shift=False,
        layout="fim",
        marks=None,
    ),
    Case(
        family="open-dcoder",
        reference="qwen2",
        says={"model_type": "qwen2", "architectures": ["Qwen2ForCausalLM"]},
        tokenizer={
            "tokenizer.json": _added(endoftext=100),
            "added_tokens.json": {"<|endoftext|>": 100, "<M>": 109},
        },
        decoding="canvas",
        shift=True,
        marks=CanvasMarks(mask=109, end=100),
        sizes={"tie_word_embeddings": True},
    ),
    Case(
        family="dream",
        reference="qwen2",
        says=_dream(),
        tokenizer={"added_tokens.json": _DREAM_TOKENS},
        decoding="canvas",
        shift=True,
        marks=CanvasMarks(mask=111, end=100, begin=110),
        dtype=torch.bfloat16,
        shard="40KB",
    ),
    Case(
        family="dreamon",
        reference="qwen2",
        says=_dream(),
        tokenizer={"added_tokens.json": {**_DREAM_TOKENS, "<|expand|>": 112}},
        decoding="canvas",
        shift=True,
        marks=CanvasMarks(mask=111, end=100, begin=110, expand=112, delete=100),
    ),
    Case(
        family="diffucoder",
        reference="qwen2",
        says=_dream(),
        tokenizer={
            "tokenizer_config.json": {
                "added_tokens_decoder": {
                    "100": {"content": "<|endoftext|>", "special": True},
                    "111": {"content": "<|mask|>"},
                    "113": {"content": "<|dlm_pad|>"},
                },
                "mask_token": "<|mask|>",
            }
        },
        decoding="canvas",
        shift=True,
        marks=CanvasMarks(mask=111, end=100),
        dtype=torch.float16,
    ),
    Case(
        family="llada",
        reference="llada",
        says={
            "model_type": "llada",
            "architectures": ["LLaDAModelLM"],
            "auto_map": {"AutoModelForCausalLM": "modeling_llada.LLaDAModelLM"},
            "activation_type": "silu",
            "alibi": False,
            "attention_layer_norm": False,
            "bias_for_layer_norm": False,
            "block_group_size": 1,
            "block_type": "llama",
            "d_model": 48,
            "embedding_size": VOCABULARY,
            "include_bias": False,
            "include_qkv_bias": False,
            "input_emb_norm": False,
            "layer_norm_type": "rms",
            "layer_norm_with_affine": True,
            "mask_token_id": 111,
            "max_sequence_length": 256,
            "mlp_hidden_size": 80,
            "multi_query_attention": None,
            "n_heads": 4,
            "n_kv_heads": 4,
            "n_layers": 2,
            "rms_norm_eps": 1e-5,
            "rope": True,
            "rope_full_precision": True,
            "rope_theta": 500_000.0,
            "scale_logits": False,
            "vocab_size": VOCABULARY,
            "weight_tying": False,
        },
        tokenizer={"tokenizer.json": _added(endoftext=100, startoftext=101, mdm_mask=111)},
        decoding="canvas",
        shift=False,
        marks=CanvasMarks(mask=111, end=100, begin=101),
        shard="60KB",
    ),
    Case(
        family="stable-diffcoder",
        reference="llama",
        says={
            "model_type": "llama",
            "architectures": ["StableDiffcoderForCausalLM"],
            "attention_bias": False,
            "mlp_bias": False,
        },
        tokenizer={
            "tokenizer.json": {
                "added_tokens": [
                    {"id": 0, "content": "<[begin▁of▁sentence]>"},
                    {"id": 2, "content": "<[end▁of▁sentence]>"},
                    {"id": 5, "content": "<[nobody says what it is called]>"},
                    {"id": 6, "content": "<[fim-prefix]>"},
                    {"id": 7, "content": "<[fim-suffix]>"},
                    {"id": 8, "content": "<[fim-middle]>"},
                ]
            }
        },
        decoding="block",
        shift=False,
        block=4,
        layout="fim",
        marks=CanvasMarks(mask=5, end=2, begin=0, fim=(6, 7, 8)),
    ),
    Case(
        family="fast-dllm-v2",
        reference="qwen2",
        says={
            "model_type": "Fast_dLLM_Qwen",
            "architectures": ["Fast_dLLM_QwenForCausalLM"],
            "bd_size": 8,
        },
        tokenizer={
            "tokenizer.json": _added(endoftext=100, im_end=102, **_FIM),
            "added_tokens.json": {"|<MASK>|": 114},
        },
        decoding="block",
        shift=True,
        block=8,
        layout="fim",
        marks=CanvasMarks(mask=114, end=102, fim=(103, 105, 104)),
        sizes={"tie_word_embeddings": True},
    ),
    Case(
        family="sdar",
        reference="qwen3",
        says={
            "model_type": "sdar",
            "architectures": ["SDARForCausalLM"],
            "attention_bias": False,
            "block_size": 4,
            "mask_token_id": 115,
            "head_dim": 16,
        },
        tokenizer={"tokenizer.json": _added(endoftext=100, MASK=115, **_FIM)},
        decoding="block",
        shift=False,
        block=4,
        layout="fim",
        marks=CanvasMarks(mask=115, end=100, fim=(103, 105, 104)),
        sizes={"head_dim": 16},
    ),
    Case(
        family="midspan-nano",
        reference="qwen3",
        says={
            "model_type": "midspan-nano",
            "objective": "diffusion",
            "tokens": 7,
            "qkv_bias": False,
            "qk_norm": True,
            "head_dim": 12,
        },
        tokenizer={
            "tokenizer.json": _added(endoftext=0, mask=8, expand=9, delete=10),
        },
        decoding="canvas",
        shift=False,
        marks=CanvasMarks(mask=8, end=0, expand=9, delete=10),
        sizes={"head_dim": 12, "tie_word_embeddings": True},
        dtype=torch.float16,
    ),
    Case(
        family="midspan-nano-ar",
        reference="qwen3",
        says={
            "model_type": "midspan-nano",
            "objective": "ar",
            "qkv_bias": False,
            "qk_norm": True,
            "head_dim": 12,
        },
        tokenizer={},
        decoding="causal",
        shift=False,
        layout="fim",
        marks=None,
        sizes={"head_dim": 12, "tie_word_embeddings": True},
    ),
)


def _reference(case: Case, llada: type[nn.Module]) -> nn.Module:
    torch.manual_seed(11)
    sizes = SIZES | case.sizes
    kinds: dict[str, Any] = {
        "qwen2": lambda: Qwen2ForCausalLM(Qwen2Config(**sizes)),
        "qwen3": lambda: Qwen3ForCausalLM(Qwen3Config(**sizes)),
        "llama": lambda: LlamaForCausalLM(LlamaConfig(**sizes)),
        "llada": llada,
    }
    model: nn.Module = kinds[case.reference]()
    for name, parameter in model.named_parameters():
        # Larger than usual and nowhere zero or one, so that nothing left out can hide.
        torch.nn.init.normal_(
            parameter, mean=1.0 if "norm" in name or "ln_f" in name else 0.0, std=0.25
        )
        parameter.data = parameter.to(case.dtype).float()
    return model.eval().requires_grad_(requires_grad=False)


def _shards(tensors: dict[str, Tensor], folder: Path) -> None:
    names = sorted(tensors)
    parts = {f"model-0000{n}-of-00003.safetensors": names[n - 1 :: 3] for n in (1, 2, 3)}
    for shard, part in parts.items():
        save_file({name: tensors[name].contiguous() for name in part}, folder / shard)
    index = {
        "metadata": {"total_size": sum(tensor.nbytes for tensor in tensors.values())},
        "weight_map": {name: shard for shard, part in parts.items() for name in part},
    }
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def _write(case: Case, folder: Path, llada: type[nn.Module]) -> nn.Module:
    """Write the checkpoint and return the network that it was written from."""
    model = _reference(case, llada)
    if case.reference == "llada":
        _shards(dict(model.state_dict()), folder)
        described = dict(case.says)
    else:
        stored: Any = copy.deepcopy(model).to(case.dtype)
        stored.save_pretrained(folder, max_shard_size=case.shard)
        described = SIZES | case.sizes | case.says
    (folder / "config.json").write_text(json.dumps(described))
    for name, content in case.tokenizer.items():
        (folder / name).write_text(json.dumps(content))
    return model


@pytest.fixture(params=CASES, ids=lambda case: case.family)
def case(request: pytest.FixtureRequest) -> Case:
    """Every family in turn."""
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
def write(tmp_path: Path, llada: type[nn.Module]) -> Callable[[Case], tuple[Path, nn.Module]]:
    """Writes a case's checkpoint; gives the folder and the network that it was written from."""

    def make(case: Case) -> tuple[Path, nn.Module]:
        folder = tmp_path / case.family
        folder.mkdir()
        return folder, _write(case, folder, llada)

    return make


@pytest.fixture
def write_family(write: Callable[[Case], tuple[Path, nn.Module]]) -> Callable[[str], Any]:
    """The same by the family's name: the case, its folder and the network."""

    def make(name: str) -> tuple[Case, Path, nn.Module]:
        case = next(case for case in CASES if case.family == name)
        return case, *write(case)

    return make


@pytest.fixture
def all_cases() -> tuple[Case, ...]:
    """To see that none is missing."""
    return CASES
