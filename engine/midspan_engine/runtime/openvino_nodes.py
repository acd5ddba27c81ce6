"""Pieces that the graphs of both model families are built from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import openvino.opset15 as ops
from openvino import Type

if TYPE_CHECKING:
    from numpy.typing import NDArray

Node = Any  # OpenVINO's Python API has no usable types


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


def rms_norm(x: Node, weight: NDArray[np.float32], epsilon: float) -> Node:
    """RMSNorm over the last axis."""
    squares = ops.power(x, constant(np.float32(2.0), Type.f32))
    mean = ops.reduce_mean(squares, constant([-1]), True)
    root = ops.sqrt(ops.add(mean, constant(np.float32(epsilon), Type.f32)))
    normal = ops.multiply(x, ops.divide(constant(np.float32(1.0), Type.f32), root))
    return ops.multiply(normal, constant(weight, Type.f32))


def swiglu(both: Node, axis: int) -> Node:
    """`silu(gate) * up` of the two halves of an axis."""
    halves = ops.split(both, constant(axis), 2)
    return ops.multiply(ops.swish(halves.output(0)), halves.output(1))
