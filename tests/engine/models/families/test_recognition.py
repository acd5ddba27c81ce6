"""What a folder is, told from its files alone, and what is refused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import torch

from midspan_engine.models.config import ModelConfigError
from midspan_engine.models.families import FAMILIES, licence_of
from midspan_engine.models.family import load_transformer, read_family
from midspan_engine.weights.conversion import convert
from midspan_engine.weights.progress import Silent
from midspan_engine.weights.sources import from_path

if TYPE_CHECKING:
    from pathlib import Path


def test_a_folder_is_known_for_what_it_is(case: Any, write: Any) -> None:
    folder, _ = write(case)
    family = read_family(folder)
    assert family.name == case.family
    assert (family.decoding, family.shift, family.block) == (case.decoding, case.shift, case.block)
    assert family.layout == case.layout
    assert family.marks == case.marks


def test_a_pulled_folder_is_still_what_it_was(case: Any, write: Any, tmp_path: Path) -> None:
    folder, _ = write(case)
    if not (folder / "tokenizer.json").exists():
        (folder / "tokenizer.json").write_text("{}")
    before = load_transformer(folder, read_family(folder), dtype=torch.float32).state_dict()
    files = convert("x", from_path(folder, None), tmp_path / "pulled", Silent())
    assert read_family(files.folder) == read_family(folder)
    after = load_transformer(files.folder, read_family(folder), dtype=torch.float32).state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(after[name], before[name].half().float()) for name in before)


def test_the_licence_of_a_published_model_is_known() -> None:
    assert licence_of("GSAI-ML/LLaDA-1.5") == "MIT"
    assert licence_of("somebody/else") == "unknown"


def test_every_family_has_a_case(all_cases: Any) -> None:
    assert {case.family for case in all_cases} == {spec.name for spec in FAMILIES}


@pytest.mark.parametrize("family", ["dream", "llada"])
def test_large_checkpoints_come_in_shards(write_family: Any, family: str) -> None:
    _, folder, _ = write_family(family)
    assert (folder / "model.safetensors.index.json").is_file()
    assert len(list(folder.glob("model-*.safetensors"))) > 1


@pytest.mark.parametrize(
    ("family", "change", "message"),
    [
        ("dream", {"rope_scaling": {"type": "yarn", "factor": 4.0}}, "yarn"),
        ("dream", {"use_mrope": True}, "use_mrope"),
        ("dream", {"mask_token_id": 7}, "mask_token_id is 7"),
        ("dream", {"vocab_size": 105}, "vocab_size 105"),
        ("llada", {"alibi": True}, "alibi"),
        ("llada", {"block_type": "sequential"}, "block_type"),
        ("llada", {"rope": False}, "rope"),
        ("llada", {"include_qkv_bias": True}, "include_qkv_bias"),
        ("llada", {"activation_type": "gelu"}, "activation_type"),
        ("stable-diffcoder", {"attention_bias": True}, "attention_bias"),
        ("stable-diffcoder", {"architectures": ["LlamaForCausalLM"]}, "it runs open-dcoder"),
        ("stable-diffcoder", {"architectures": []}, "it runs open-dcoder"),
        ("sdar", {"num_experts": 8}, "num_experts"),
        ("sdar", {"layer_types": ["full_attention", "sliding_attention"]}, "layer_types"),
        ("sdar", {"block_size": 0.5}, "block_size"),
        ("sdar", {"quantization_config": {"bits": 4}}, "quantization_config"),
        ("fast-dllm-v2", {"use_relay": True}, "use_relay"),
        ("midspan-nano", {"qk_norm": False}, "qk_norm"),
        ("midspan-nano", {"objective": "guess"}, "midspan-nano"),
    ],
)
def test_an_option_that_would_change_the_answers_is_refused_by_name(
    write_family: Any, family: str, change: dict[str, Any], message: str
) -> None:
    _, folder, _ = write_family(family)
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ModelConfigError, match=message):
        read_family(folder)


def test_code_in_a_folder_is_never_run(write_family: Any) -> None:
    _, folder, _ = write_family("llada")
    (folder / "modeling_llada.py").write_text("raise SystemExit('run')")
    (folder / "configuration_llada.py").write_text("raise SystemExit('run')")
    assert load_transformer(folder, read_family(folder), dtype=torch.float32)


def test_a_model_without_its_mask_says_which_files_to_fetch(write_family: Any) -> None:
    _, folder, _ = write_family("llada")
    (folder / "tokenizer.json").write_text("{}")
    with pytest.raises(ModelConfigError, match=r"no mask token <\|mdm_mask\|>.*tokenizer_config"):
        read_family(folder)
