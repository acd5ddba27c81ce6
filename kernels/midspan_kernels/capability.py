"""Chooses between a Triton kernel and its plain-torch twin."""

from __future__ import annotations

import os
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from types import ModuleType

_ASSUMED_PROCESSORS = 2
"""Where there is no GPU: small, so that the interpreter splits small shapes as a GPU does large."""


@cache
def has_triton() -> bool:
    """Whether Triton is installed."""
    return find_spec("triton") is not None


def interpreting() -> bool:
    """Whether Triton runs kernels on the CPU, one program after the other.

    Triton reads the variable when it is imported, so it has to be set before.
    """
    return os.environ.get("TRITON_INTERPRET") == "1"


def runs_triton(tensor: torch.Tensor) -> bool:
    """Whether a kernel can run where `tensor` lies."""
    return (tensor.is_cuda or interpreting()) and has_triton()


def backend(noun: str, tensor: torch.Tensor) -> ModuleType:
    """The module that computes `noun` where `tensor` lies; both have the same functions."""
    where = "device" if runs_triton(tensor) else "reference"
    return import_module(f"midspan_kernels.{where}.{noun}")


def processors(tensor: torch.Tensor) -> int:
    """How many multiprocessors share the work on `tensor`."""
    if not tensor.is_cuda:
        return _ASSUMED_PROCESSORS
    return int(torch.cuda.get_device_properties(tensor.device).multi_processor_count)
