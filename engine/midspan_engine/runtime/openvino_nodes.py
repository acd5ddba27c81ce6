"""Pieces that the graphs of both model families are built from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import openvino.opset15 as ops
from openvino import Type

if TYPE_CHECKING:
    from numpy.typing import NDArray

Node = Any  # OpenVINO's Python API has no usable types

_STEPS = 255


def constant(values: Any, kind: Type = Type.i32) -> Node:
    """A constant of numbers or an array."""
    return ops.constant(np.asarray(values), kind)


def float_product(x: Node, weight: NDArray[np.float32]) -> Node:
    """`x W^T` for float32 `[out, in]`."""
    return ops.matmul(x, constant(weight, Type.f32), False, True)


def int8_product(x: Node, values: Node, scale: Node) -> Node:
    """`x W^T` for int8 `[out, groups, group]` and float16 `[out, groups, 1]`."""
    outputs, groups, group = values.shape
    scaled = ops.multiply(ops.convert(values, Type.f16), scale)
    flat = ops.reshape(scaled, constant([outputs, groups * group]), False)
    return ops.matmul(x, ops.convert(flat, Type.f32), False, True)


def scaled_rows(x: Node) -> tuple[Node, Node]:
    """`[rows, width]` in 255 steps from -1 to 1, and what each row has to be multiplied by.

    The plugin makes a product of such steps with int8 weights one of integers. Their sums are
    exact, so a row's result does not depend on how many others stand beside it.
    """
    most = ops.reduce_max(ops.abs(x), constant([1]), True)
    most = ops.maximum(most, constant(np.float32(1e-6), Type.f32))
    low, high = constant(np.float32(-1.0), Type.f32), constant(np.float32(1.0), Type.f32)
    return ops.fake_quantize(ops.divide(x, most), low, high, low, high, _STEPS), most


def row_product(x: Node, values: Node, scale: Node) -> Node:
    """`x W^T` for int8 `[out, in]` and float32 `[out, 1]`."""
    weight = ops.multiply(ops.convert(values, Type.f32), scale)
    return ops.matmul(x, weight, False, True)


def rms_factor(x: Node, epsilon: float) -> Node:
    """`[rows, 1]`: what RMSNorm multiplies each row by."""
    squares = ops.power(x, constant(np.float32(2.0), Type.f32))
    mean = ops.reduce_mean(squares, constant([-1]), True)
    root = ops.sqrt(ops.add(mean, constant(np.float32(epsilon), Type.f32)))
    return ops.divide(constant(np.float32(1.0), Type.f32), root)


def rms_norm(x: Node, weight: NDArray[np.float32], epsilon: float) -> Node:
    """RMSNorm over the last axis."""
    normal = ops.multiply(x, rms_factor(x, epsilon))
    return ops.multiply(normal, constant(weight, Type.f32))
