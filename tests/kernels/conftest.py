"""Kernels run in Triton's interpreter, which has to be asked for before Triton is imported.

Only then and while these tests run: other tests of the same process, and what they start, do not
see the variable.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "bench"))

VARIABLE = "TRITON_INTERPRET"
COMPILED = "triton._C"
"""Extension modules cannot be loaded twice, and do not know the variable."""


def forget_triton() -> None:
    """Torch may have imported it for another test, for the compiler."""
    for name in list(sys.modules):
        if name.partition(".")[0] == "triton" and not name.startswith(COMPILED):
            del sys.modules[name]


if find_spec("triton") is not None and VARIABLE not in os.environ:
    forget_triton()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, "1")
        import_module("triton")


@pytest.fixture(autouse=True)
def interpreted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "1")
