"""A checkpoint from a stranger: it loads as it is, or is refused with a reason."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import zipfile
from typing import TYPE_CHECKING, Any

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from midspan_engine.models.config import ModelConfigError, TransformerConfig
from midspan_engine.models.family import load_transformer, read_family
from midspan_engine.models.transformer import Transformer
from midspan_engine.weights.errors import WeightsUnusable

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CONFIG: dict[str, Any] = {
    "model_type": "midspan-nano",
    "objective": "diffusion",
    "vocab_size": 40,
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 8,
    "rms_norm_eps": 1e-6,
    "rope_theta": 10_000.0,
    "tie_word_embeddings": True,
    "max_position_embeddings": 64,
    "qkv_bias": False,
    "qk_norm": True,
}
MARKS = {"added_tokens": [{"id": 0, "content": "<|endoftext|>"}, {"id": 3, "content": "<|mask|>"}]}
UP = "model.layers.1.mlp.up_proj.weight"
INDEX = "model.safetensors.index.json"

fuzzed = settings(max_examples=150, deadline=None, derandomize=True, database=None)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)


def _write(folder: Path) -> Path:
    folder.mkdir()
    torch.manual_seed(3)
    model = Transformer(TransformerConfig.from_mapping(CONFIG))
    tensors = {f"model.{name}": value.half() for name, value in model.state_dict().items()}
    save_file(tensors, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(CONFIG))
    (folder / "tokenizer.json").write_text(json.dumps(MARKS))
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return _write(tmp_path / "model")


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """For fuzzing; every example puts back what it changed."""
    return _write(tmp_path_factory.mktemp("damaged") / "model")


def _load(folder: Path) -> dict[str, torch.Tensor]:
    model = load_transformer(folder, read_family(folder), dtype=torch.float32)
    return {name: value.clone() for name, value in model.state_dict().items()}


def _loads_alike_or_refuses(folder: Path, expected: dict[str, torch.Tensor]) -> None:
    try:
        found = _load(folder)
    except (ModelConfigError, WeightsUnusable) as error:
        reason = str(error)
    else:
        assert found.keys() == expected.keys()
        assert all(torch.equal(found[name], value) for name, value in expected.items())
        return
    assert len(reason) > 20


def _change_tensors(folder: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    tensors = {
        name: value.clone() for name, value in load_file(folder / "model.safetensors").items()
    }
    change(tensors)
    save_file(tensors, folder / "model.safetensors")


def _change_header(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    path = folder / "model.safetensors"
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    change(header)
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + content[8 + length :])


def _shard(folder: Path, *, twice: str = "") -> dict[str, str]:
    """Spread the one file over two and return the index's map."""
    tensors = load_file(folder / "model.safetensors")
    names = sorted(tensors)
    weight_map: dict[str, str] = {}
    for shard, part in (("a.safetensors", names[::2]), ("b.safetensors", names[1::2])):
        inside = {*part, twice} - {""}
        save_file({name: tensors[name] for name in inside}, folder / shard)
        weight_map |= dict.fromkeys(part, shard)
    (folder / "model.safetensors").unlink()
    (folder / INDEX).write_text(json.dumps({"weight_map": weight_map}))
    return weight_map


def test_the_undamaged_folder_loads(folder: Path) -> None:
    assert len(_load(folder)) == 24


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_values_that_are_no_numbers_are_refused(
    folder: Path, value: float, dtype: torch.dtype
) -> None:
    def change(tensors: dict[str, torch.Tensor]) -> None:
        tensors[UP] = tensors[UP].to(dtype)
        tensors[UP][23, 15] = value

    _change_tensors(folder, change)
    with pytest.raises(ModelConfigError, match=r"up_proj.*infinite or not a number"):
        _load(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop(UP), r"lack model\.layers\.1\.mlp\.up_proj"),
        (lambda t: t.update(extra=torch.ones(2)), "holds extra, which this family does not have"),
        (lambda t: t.update({UP: torch.ones(16, 24)}), r"shape \[16, 24\].*means \[24, 16\]"),
        (lambda t: t.update({UP: torch.ones(24, 16).long()}), "stored as I64"),
        (lambda t: t.update({UP: torch.ones(24, 16).to(torch.int8)}), r"up_proj\.weight\.scale"),
        (lambda t: t.update({"lm_head.weight": torch.ones(40, 16).half()}), "is not the embedding"),
    ],
)
def test_other_tensors_than_the_family_has_are_refused_by_name(
    folder: Path, change: Callable[[dict[str, torch.Tensor]], object], message: str
) -> None:
    _change_tensors(folder, change)
    with pytest.raises(ModelConfigError, match=message):
        _load(folder)


def test_a_tied_head_that_was_stored_anyway_is_welcome(folder: Path) -> None:
    def change(tensors: dict[str, torch.Tensor]) -> None:
        tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"].clone()

    expected = _load(folder)
    _change_tensors(folder, change)
    _loads_alike_or_refuses(folder, expected)
    assert "lm_head.weight" not in _load(folder)


def test_an_untied_head_that_is_not_there_is_named(folder: Path) -> None:
    (folder / "config.json").write_text(json.dumps(CONFIG | {"tie_word_embeddings": False}))
    with pytest.raises(ModelConfigError, match=r"lack lm_head\.weight.*not tied"):
        _load(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda h: h[UP].update(data_offsets=[0, 768]), "overlaps another"),
        (lambda h: h[UP].update(data_offsets=[10**9, 10**9 + 768]), "gap"),
        (lambda h: h[UP].update(data_offsets=[-768, 0]), "by its place"),
        (lambda h: h[UP].update(data_offsets=[768, 0]), "by its place"),
        (lambda h: h[UP].update(shape=[24, 10**30]), "by its shape"),
        (lambda h: h[UP].update(shape=[-24, -16]), "shape"),
        (lambda h: h[UP].update(shape=[1] * 4000), "shape"),
        (lambda h: h[UP].update(dtype="F8_E4M3"), "F8_E4M3"),
        (lambda h: h[UP].pop("shape"), "header is damaged"),
        (lambda h: h.update(x="y"), "header is damaged"),
        (lambda h: h.pop(UP), "gap"),
    ],
)
def test_a_header_that_lies_is_refused(
    folder: Path, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    _change_header(folder, change)
    with pytest.raises(ModelConfigError, match=message):
        _load(folder)


def test_a_header_with_a_name_twice_is_refused(folder: Path) -> None:
    path = folder / "model.safetensors"
    entry = '{"dtype":"F16","shape":[1],"data_offsets":[0,2]}'
    text = f'{{"a":{entry},"a":{entry}}}'.encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + b"\0\0")
    with pytest.raises(ModelConfigError, match="comes twice"):
        _load(folder)


def test_a_header_longer_than_the_file_is_refused(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes((1 << 63).to_bytes(8, "little") + path.read_bytes()[8:])
    with pytest.raises(ModelConfigError, match="cut off in its header"):
        _load(folder)


def test_a_huge_header_is_refused_unread(folder: Path) -> None:
    path = folder / "model.safetensors"
    with path.open("wb") as file:
        file.write((200_000_000).to_bytes(8, "little"))
        file.truncate(300_000_000)  # sparse
    with pytest.raises(ModelConfigError, match=r"header takes 200,000,000 bytes"):
        _load(folder)


def test_a_deeply_nested_header_is_refused(folder: Path) -> None:
    text = b"[" * 200_000
    (folder / "model.safetensors").write_bytes(len(text).to_bytes(8, "little") + text)
    with pytest.raises(ModelConfigError, match="header is damaged"):
        _load(folder)


class _Bomb:
    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return os.mkdir, ("run",)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickle_under_another_name_is_refused_and_not_run(
    folder: Path, monkeypatch: pytest.MonkeyPatch, *, zipped: bool
) -> None:
    monkeypatch.chdir(folder)
    path = folder / "model.safetensors"
    bomb = pickle.dumps(_Bomb())
    path.write_bytes(bomb)
    if zipped:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("archive/data.pkl", bomb)
    with pytest.raises(ModelConfigError, match="pickle"):
        _load(folder)
    assert not (folder / "run").exists()


def test_a_header_whose_length_looks_like_a_pickle_is_read(folder: Path) -> None:
    path = folder / "model.safetensors"
    content, expected = path.read_bytes(), _load(folder)
    length = int.from_bytes(content[:8], "little")
    padded = content[8 : 8 + length].ljust(0x10280)
    path.write_bytes(len(padded).to_bytes(8, "little") + padded + content[8 + length :])
    assert path.read_bytes().startswith(b"\x80\x02")
    found = _load(folder)
    assert all(torch.equal(found[name], value) for name, value in expected.items())


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "model.ckpt"])
def test_a_folder_of_pickles_says_what_to_look_for(
    folder: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(folder)
    (folder / "model.safetensors").unlink()
    (folder / name).write_bytes(pickle.dumps(_Bomb()))
    with pytest.raises(ModelConfigError, match=rf"{name}: a pickle.*safetensors and GGUF only"):
        _load(folder)
    assert not (folder / "run").exists()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("../model.safetensors", "do not use this model"),
        ("/etc/model.safetensors", "do not use this model"),
        ("..\\model.safetensors", "do not use this model"),
        ("sub/model.safetensors", "do not use this model"),
        ("a\0.safetensors", "do not use this model"),
        ("pytorch_model.bin", "do not use this model"),
        ("missing.safetensors", "which is not there"),
        ("b.safetensors", "does not hold it"),
    ],
)
def test_an_index_names_only_the_files_beside_it(folder: Path, name: str, message: str) -> None:
    weight_map = _shard(folder)
    first = next(tensor for tensor, shard in weight_map.items() if shard == "a.safetensors")
    weight_map[first] = name
    (folder / INDEX).write_text(json.dumps({"weight_map": weight_map}))
    with pytest.raises(ModelConfigError, match=message):
        _load(folder)


def test_a_tensor_in_two_shards_is_refused(folder: Path) -> None:
    _shard(folder, twice=UP)
    with pytest.raises(ModelConfigError, match=r"up_proj.* is in a\.safetensors and in b\."):
        _load(folder)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"weight_map": {}}', '{"weight_map": {"a": 1}}'])
def test_a_damaged_index_is_refused(folder: Path, text: str) -> None:
    (folder / INDEX).write_text(text)
    with pytest.raises(ModelConfigError, match="index"):
        _load(folder)


def test_an_index_with_a_tensor_twice_is_refused(folder: Path) -> None:
    (folder / INDEX).write_text('{"weight_map": {"a": "a.safetensors", "a": "b.safetensors"}}')
    with pytest.raises(ModelConfigError, match="'a' comes twice"):
        _load(folder)


def test_a_link_out_of_the_folder_is_refused(folder: Path, tmp_path: Path) -> None:
    (folder / "model.safetensors").rename(tmp_path / "elsewhere.safetensors")
    (folder / "model.safetensors").symlink_to(tmp_path / "elsewhere.safetensors")
    with pytest.raises(ModelConfigError, match="leads out of"):
        _load(folder)


def test_the_store_of_a_hub_cache_is_no_way_out(folder: Path, tmp_path: Path) -> None:
    expected = _load(folder)
    snapshot, blobs = tmp_path / "hub" / "snapshots" / "0a1b", tmp_path / "hub" / "blobs"
    snapshot.mkdir(parents=True)
    blobs.mkdir()
    for file in folder.iterdir():
        file.rename(blobs / file.name)
        (snapshot / file.name).symlink_to(f"../../blobs/{file.name}")
    _loads_alike_or_refuses(snapshot, expected)
    assert _load(snapshot)


@pytest.mark.parametrize(
    "field", ["vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "head_dim"]
)
@pytest.mark.parametrize("size", [2**31 - 2, 10**30, 0, -1, 1.5, True, "16", [16]])
def test_absurd_sizes_are_refused_before_anything_is_made_of_them(
    folder: Path, field: str, size: object
) -> None:
    (folder / "config.json").write_text(json.dumps(CONFIG | {field: size}))
    with pytest.raises(ModelConfigError):
        _load(folder)


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json"])
@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b"[" * 200_000, b"null"])
def test_a_damaged_description_is_refused(folder: Path, name: str, content: bytes) -> None:
    (folder / name).write_bytes(content)
    with pytest.raises(ModelConfigError, match=name):
        _load(folder)


@pytest.mark.parametrize(
    "tokens", [[{"id": -1, "content": "x"}], [{"id": "1", "content": "x"}], [{"content": "x"}], {}]
)
def test_marks_without_a_place_are_refused(folder: Path, tokens: object) -> None:
    (folder / "tokenizer.json").write_text(json.dumps({"added_tokens": tokens}))
    with pytest.raises(ModelConfigError, match=r"tokenizer\.json is damaged"):
        _load(folder)


def test_tokenizer_files_that_disagree_are_refused(folder: Path) -> None:
    (folder / "added_tokens.json").write_text('{"<|mask|>": 4}')
    with pytest.raises(ModelConfigError, match=r"added_tokens\.json: '<\|mask\|>'"):
        _load(folder)


@fuzzed
@given(share=st.floats(0, 1), more=st.binary(max_size=3))
def test_any_truncation_is_refused(kept: Path, share: float, more: bytes) -> None:
    path = kept / "model.safetensors"
    whole, expected = path.read_bytes(), _load(kept)
    damaged = whole[: int(share * len(whole))] + more
    # Other values of the same number are other weights, which nothing in the format tells.
    assume(len(damaged) != len(whole) or damaged == whole)
    try:
        path.write_bytes(damaged)
        _loads_alike_or_refuses(kept, expected)
    finally:
        path.write_bytes(whole)


@fuzzed
@given(data=st.data())
def test_any_change_in_a_header_is_harmless(kept: Path, data: st.DataObject) -> None:
    path = kept / "model.safetensors"
    whole, expected = path.read_bytes(), _load(kept)
    end = 8 + int.from_bytes(whole[:8], "little")
    changed = bytearray(whole)
    places = st.integers(0, end - 1)
    for place in data.draw(st.lists(places, min_size=1, max_size=4)):
        changed[place] = data.draw(st.integers(0, 255))
    try:
        path.write_bytes(changed)
        _loads_alike_or_refuses(kept, expected)
    finally:
        path.write_bytes(whole)


@fuzzed
@given(
    field=st.sampled_from([*CONFIG, "rope_scaling", "architectures", "mask_token_id"]),
    value=json_values,
)
def test_any_config_is_harmless(kept: Path, field: str, value: object) -> None:
    path = kept / "config.json"
    expected = _load(kept)
    try:
        path.write_text(json.dumps(CONFIG | {field: value}))
        _loads_alike_or_refuses(kept, expected)
    finally:
        path.write_text(json.dumps(CONFIG))


@fuzzed
@given(
    name=st.sampled_from(["config.json", "tokenizer.json", "added_tokens.json", INDEX]),
    value=json_values,
)
def test_any_json_in_a_description_is_harmless(kept: Path, name: str, value: object) -> None:
    path = kept / name
    expected = _load(kept)
    before = path.read_bytes() if path.exists() else None
    try:
        path.write_text(json.dumps(value))
        _loads_alike_or_refuses(kept, expected)
    finally:
        path.unlink() if before is None else path.write_bytes(before)


def test_the_fuzzed_folder_was_put_back(kept: Path, tmp_path: Path) -> None:
    shutil.copytree(kept, tmp_path / "copy")
    assert len(_load(tmp_path / "copy")) == 24
