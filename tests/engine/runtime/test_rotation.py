"""The rotated network computes what the network computes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from midspan_engine.models.config import TransformerConfig
from midspan_engine.runtime.folder_weights import FolderWeights, joined_linears
from midspan_engine.runtime.rotation import Rotation, block_of, hadamard, online_block, rotated

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

RANDOM = np.random.default_rng(1)


def normals(*shape: int) -> NDArray[np.float32]:
    return RANDOM.standard_normal(shape).astype(np.float32)


@pytest.fixture(scope="module")
def weights(tiny_folder: Path) -> FolderWeights:
    return FolderWeights(tiny_folder)


@pytest.fixture(scope="module")
def rotation(tiny_folder: Path, weights: FolderWeights) -> Rotation:
    return Rotation(TransformerConfig.from_folder(tiny_folder), weights)


@pytest.mark.parametrize("size", [1, 2, 64, 128])
def test_a_hadamard_matrix_is_its_own_inverse(size: int) -> None:
    np.testing.assert_allclose(hadamard(size) @ hadamard(size), np.eye(size), atol=1e-5)


@pytest.mark.parametrize(("width", "block"), [(896, 128), (4864, 128), (48, 16), (64, 64), (7, 1)])
def test_a_block_divides_the_width(width: int, block: int) -> None:
    assert block_of(width) == block
    x = normals(5, width)
    np.testing.assert_allclose(rotated(rotated(x, block), block), x, atol=1e-5)


def test_a_huge_value_is_spread_over_its_block() -> None:
    x = np.zeros((1, 256), np.float32)
    x[0, 3] = 1000.0
    turned = rotated(x, 128)
    assert np.abs(turned[0, :128]).max() == pytest.approx(1000 / np.sqrt(128), rel=1e-4)
    assert not turned[0, 128:].any()


def test_a_row_is_rotated_the_same_whatever_stands_beside_it() -> None:
    x = normals(33, 896)
    whole = rotated(x, 128)
    for rows in (1, 2, 7, 16):
        np.testing.assert_array_equal(rotated(x[:rows], 128), whole[:rows])


def test_products_of_rotated_inputs_are_the_rotated_products(
    rotation: Rotation, weights: FolderWeights
) -> None:
    """gate: its norm is in it and its output as it was; o: both of its sides are rotated."""
    x = normals(4, 128)
    prefix = "model.layers.1."
    gain = weights(prefix + "post_attention_layernorm.weight")
    gated = (x * gain) @ weights(prefix + "mlp.gate_proj.weight").T
    found = rotation.stream(x) @ rotation.product("1.gate").T
    np.testing.assert_allclose(found, gated, atol=1e-3)
    output = rotation.stream(x @ weights(prefix + "self_attn.o_proj.weight").T)
    head = block_of(rotation.config.head_dim)
    found = rotated(x, head) @ rotation.product("1.o").T
    np.testing.assert_allclose(found, output, atol=1e-3)


def test_the_head_takes_the_rotated_stream(rotation: Rotation, weights: FolderWeights) -> None:
    x = normals(4, 128)
    expected = (x * weights("model.norm.weight")) @ weights("model.embed_tokens.weight").T
    np.testing.assert_allclose(rotation.stream(x) @ rotation.product("head").T, expected, atol=1e-3)


def test_values_come_rotated_by_head_and_queries_and_keys_as_they_were(
    rotation: Rotation, weights: FolderWeights
) -> None:
    config = rotation.config
    x = normals(4, 128)
    gain = weights("model.layers.0.input_layernorm.weight")
    parts = [f"model.layers.0.self_attn.{name}_proj" for name in "qkv"]
    query, key, value = (
        ((x * gain) @ weights(part + ".weight").T + weights(part + ".bias")).astype(np.float32)
        for part in parts
    )
    found = rotation.stream(x) @ rotation.product("0.qkv").T + rotation.bias("0.qkv")
    expected = np.concatenate([query, key, rotated(value, block_of(config.head_dim))], axis=1)
    np.testing.assert_allclose(found, expected, atol=1e-3)


@pytest.mark.parametrize(
    ("part", "wide", "out"),
    [("mlp.down_proj", 256, 128), ("self_attn.v_proj", 128, 64), ("mlp.gate_proj", 128, 256)],
)
def test_low_rank_additions_are_rotated_like_the_weights(
    rotation: Rotation, weights: FolderWeights, part: str, wide: int, out: int
) -> None:
    """Added to the weights before the rotation, or rotated by themselves: the same sum."""
    down, up = normals(3, wide), normals(out, 3)

    def changed(tensor: str) -> NDArray[np.float32]:
        found = weights(tensor)
        return found + up @ down if tensor == f"model.layers.1.{part}.weight" else found

    projection = part.split(".")[1]
    product = "1.qkv" if projection == "v_proj" else f"1.{projection.removesuffix('_proj')}"
    both = Rotation(rotation.config, changed).product(product) - rotation.product(product)
    turned_down, turned_up = rotation.low_rank(lambda *_: (down, up))(1, projection)
    np.testing.assert_allclose(both[-out:], turned_up @ turned_down, atol=1e-3)


def test_every_product_is_contiguous_for_the_file(rotation: Rotation) -> None:
    for name in joined_linears(rotation.config):
        assert rotation.product(name).flags["C_CONTIGUOUS"], name


def test_what_enters_down_is_rotated_in_blocks_that_divide_it(rotation: Rotation) -> None:
    assert online_block(rotation.config) == 64
