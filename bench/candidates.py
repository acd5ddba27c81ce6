"""Runs candidate programs, each in a process of its own with limits on what it may use.

The limits stop accidents (endless loops, runaway memory, stray files), not attacks: the programs
are completions of a benchmark by a small model.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from concurrent.futures import Future, ThreadPoolExecutor

CPU_SECONDS = 5
WALL_SECONDS = 45.0
MEMORY_BYTES = 1 << 30
_FILE_BYTES = 1 << 20

# The process limits itself before it reads the program: a preexec_fn is not safe beside threads.
_RUNNER = f"""\
import resource, sys
resource.setrlimit(resource.RLIMIT_CPU, ({CPU_SECONDS}, {CPU_SECONDS}))
resource.setrlimit(resource.RLIMIT_AS, ({MEMORY_BYTES}, {MEMORY_BYTES}))
resource.setrlimit(resource.RLIMIT_FSIZE, ({_FILE_BYTES}, {_FILE_BYTES}))
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
source = sys.stdin.read()
exec(compile(source, "candidate.py", "exec"), {{"__name__": "candidate"}})
"""


def passes(source: str, *, wall_s: float = WALL_SECONDS) -> bool:
    """Whether `source` runs to its end without an error, within the limits."""
    with tempfile.TemporaryDirectory(prefix="midspan-candidate-") as folder:
        try:
            done = subprocess.run(
                [sys.executable, "-I", "-c", _RUNNER],
                input=source.encode("utf-8", "replace"),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd=folder,
                env={"PATH": os.defpath, "HOME": folder, "TMPDIR": folder},
                timeout=wall_s,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return False
    return done.returncode == 0


class Candidates:
    """A pool of such processes; equal programs run once."""

    def __init__(self, workers: int = 2) -> None:
        self._pool = ThreadPoolExecutor(workers)
        self._results: dict[str, Future[bool]] = {}

    def submit(self, source: str) -> Future[bool]:
        """Begin to run `source`, or return the run that there is already."""
        if source not in self._results:
            self._results[source] = self._pool.submit(passes, source)
        return self._results[source]

    def close(self) -> None:
        """Wait for what is running."""
        self._pool.shutdown()
