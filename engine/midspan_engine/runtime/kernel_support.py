"""Whether this machine runs our kernels, and if not, why."""

from __future__ import annotations

import importlib.metadata
import importlib.util
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from midspan_engine.models.config import TransformerConfig

OLDEST_GPU = (8, 0)
OLDEST_FP8 = (8, 9)
_OLDEST_TRITON = (3, 7)
"""Older ones spill registers."""


def why_not(config: TransformerConfig | None = None, rank: int = 0) -> str:
    """Why a machine with CUDA does not run our kernels; "" where it does.

    Args:
        config: Of a network that they are to run as well.
        rank: Of its adapter; 0 without one.
    """
    version = triton_version()
    if version is None:
        return "Triton is not installed"
    if _numbers(version) < _OLDEST_TRITON:
        return f"Triton {version} is older than {_dotted(_OLDEST_TRITON)}"
    compute = compute_capability()
    if compute < OLDEST_GPU:
        return f"the GPU has compute capability {_dotted(compute)}, below {_dotted(OLDEST_GPU)}"
    if config is None:
        return ""
    from midspan_engine.runtime.kernel_layers import misfit  # noqa: PLC0415  heavy

    problem = misfit(config, rank)
    return f"the network has {problem}" if problem else ""


def why_not_fp8() -> str:
    """Why the GPU does not take 8-bit floats; "" where it does."""
    compute = compute_capability()
    if compute >= OLDEST_FP8:
        return ""
    return (
        f"8-bit floats need compute capability {_dotted(OLDEST_FP8)} (Ada, Hopper or later), and "
        f"this GPU has {_dotted(compute)}"
    )


def triton_version() -> str | None:
    """None where Triton is not installed."""
    if importlib.util.find_spec("triton") is None:
        return None
    for project in importlib.metadata.packages_distributions().get("triton", ()):
        return importlib.metadata.version(project)  # it goes by other names on other systems
    return "0"


def compute_capability() -> tuple[int, int]:
    """Of the GPU that torch takes."""
    import torch  # noqa: PLC0415  heavy

    return torch.cuda.get_device_capability()


def _numbers(version: str) -> tuple[int, ...]:
    """The first two, whatever follows."""
    parts = version.split(".")[:2]
    return tuple(int("".join(filter(str.isdigit, part)) or 0) for part in parts)


def _dotted(numbers: tuple[int, ...]) -> str:
    return ".".join(map(str, numbers))
