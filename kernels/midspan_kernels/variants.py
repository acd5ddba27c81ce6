"""What is compiled ahead of time: one entry for each kernel, configuration and set of types."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

OPTIONS = {"enable_fp_fusion": True}
"""Said at every launch, because Triton's own default is about to change."""
OLDEST, OLDEST_FP8 = 80, 89
"""Architectures; before 89 no instruction converts 8-bit floats."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One kernel as it is launched.

    Attributes:
        name: Unique; names the configuration.
        kernel: The Triton function.
        signature: Triton type of each argument that is not a constant.
        constants: The rest.
        warps: Of 32 threads, in a program.
        stages: Depth of the software pipeline.
        divisible: Whole numbers that are multiples of 16 in every network that we run.
        oldest: Architecture that it runs on, and all later ones.
    """

    name: str
    kernel: Any
    signature: dict[str, str]
    constants: dict[str, Any] = field(default_factory=dict)
    warps: int = 4
    stages: int = 3
    divisible: tuple[str, ...] = ()
    oldest: int = OLDEST
