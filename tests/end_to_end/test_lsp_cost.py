"""What the process may cost: `lsp_overhead.py` measures, this test holds the line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow


def test_a_keystroke_in_five_thousand_lines_and_the_memory_of_the_process() -> None:
    script = Path(__file__).with_name("lsp_overhead.py")
    measured = subprocess.run(
        [sys.executable, str(script), "--lines", "5000", "--keystrokes", "150", "--gap-ms", "55"],
        capture_output=True,
        check=True,
        timeout=120,
    )
    figures = json.loads(measured.stdout)
    assert figures["shown"] > 100
    # Processor time: other work on the machine must not fail a test.
    assert figures["processor_p90_ms"] <= 10
    assert figures["resident_mb"] <= 120
