"""Findings about GPUs; nothing where the machine has none that we use."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from midspan_engine.commands.doctor_machine import Finding
from midspan_engine.runtime.kernel_support import why_not

DRIVER = Path("/dev/nvidiactl")
_INSTALL = "pip install 'midspan[gpu]'"


def gpu() -> list[Finding]:
    """Say what the engine would run on, if a driver for NVIDIA GPUs is there."""
    if not DRIVER.exists():
        return []
    if importlib.util.find_spec("torch") is None:
        found = "a driver is there, and torch is not installed: the engine runs on the processor"
        return [Finding(grade="warn", subject="gpu", found=found, remedy=_INSTALL)]
    import torch  # noqa: PLC0415  heavy

    if not torch.cuda.is_available():
        found = f"torch {torch.__version__} sees none: the engine runs on the processor"
        remedy = "nvidia-smi says whether the driver works; torch may be a build for processors"
        return [Finding(grade="warn", subject="gpu", found=found, remedy=remedy)]
    name, reason = torch.cuda.get_device_name(), why_not()
    if reason:
        found = f"{name}, by torch's compiler: {reason}"
        remedy = _INSTALL if reason.startswith("Triton") else ""
        return [Finding(grade="warn", subject="gpu", found=found, remedy=remedy)]
    return [Finding(grade="ok", subject="gpu", found=f"{name}, on Midspan's kernels")]
