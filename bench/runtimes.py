"""Time of a pass on each runtime: torch, OpenVINO int8 both ways and float32, and our kernels.

    python bench/runtimes.py
    python bench/runtimes.py --only openvino-groups openvino-rows   # compiling takes minutes
    python bench/runtimes.py --only kernels kernels-int8   # without a GPU their slow twins

A prompt of 640 tokens in one pass, then passes of 1 to 32 rows with all scores, on 640 cached
tokens. Each runtime has a process of its own, so that its memory is its own. One JSON line at the
end.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, cast

from figures import percentile
from places import source_of
from tqdm import tqdm

from midspan_engine import weights
from midspan_engine.runtime import RowGroup, create_runtime
from midspan_engine.runtime.blocks import CachedSequence
from midspan_engine.tokenizer import Tokenizer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from midspan_engine.runtime import Runtime, RuntimeName

NAMES = (
    "torch",
    "compiled",
    "openvino-groups",
    "openvino-rows",
    "openvino-fp32",
    "kernels",
    "kernels-int8",
    "kernels-fp8",
)
CONTEXT = 640
ROWS = (1, 4, 8, 16, 32)
_CACHE_BYTES = 64 << 20


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the flags ask for; the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", choices=NAMES, nargs="+", default=list(NAMES))
    parser.add_argument("--model", default=weights.DEFAULT_MODEL)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--here", choices=NAMES, help=argparse.SUPPRESS)
    args = parser.parse_args(arguments)
    if args.here:
        print(json.dumps(measure(args.here, args.model, args.repeats)))
        return 0
    figures = {}
    for name in tqdm(args.only, desc="runtimes"):
        figures[name] = _in_own_process(name, args.model, args.repeats)
    print(json.dumps({"bench": "runtimes", "context": CONTEXT, **figures}))
    return 0


def measure(name: str, model: str, repeats: int) -> dict[str, object]:
    """Load one runtime into this process and time its passes."""
    began = time.perf_counter()
    runtime, ids = _load(name, model)
    load_s = time.perf_counter() - began
    sequence = CachedSequence()
    runtime.pool.reserve(sequence, CONTEXT + max(ROWS) + 1)
    prompt = RowGroup.causal(sequence, 0, ids[:CONTEXT], [CONTEXT - 1])
    prompt_ms = _timed(runtime, prompt, max(2, repeats // 5))
    passes = {}
    for rows in ROWS:
        after = ids[CONTEXT : CONTEXT + rows]
        group = RowGroup.causal(sequence, CONTEXT, after, range(rows))
        passes[str(rows)] = _figures(_timed(runtime, group, repeats))
    return {
        "name": runtime.name,
        "load_s": round(load_s, 1),
        "prompt_ms": _figures(prompt_ms),
        "pass_ms_by_rows": passes,
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6),
    }


def _load(name: str, model: str) -> tuple[Runtime, list[int]]:
    files = weights.resolve(model)
    runtime = create_runtime(files.folder, name=cast("RuntimeName", name), cache_bytes=_CACHE_BYTES)
    ids = Tokenizer.load(files).encode(source_of("argparse"))
    return runtime, ids[: CONTEXT + max(ROWS)]


def _timed(runtime: Runtime, group: RowGroup, repeats: int) -> list[float]:
    runtime.forward([group])
    runtime.forward([group])
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        runtime.forward([group])
        times.append((time.perf_counter() - began) * 1e3)
    return times


def _figures(times_ms: list[float]) -> dict[str, float]:
    return {
        "least": round(min(times_ms), 1),
        "p50": round(statistics.median(times_ms), 1),
        "p90": round(percentile(times_ms, 0.9), 1),
    }


def _in_own_process(name: str, model: str, repeats: int) -> dict[str, object]:
    command = [sys.executable, str(Path(__file__)), "--here", name, "--model", model]
    done = subprocess.run(
        [*command, "--repeats", str(repeats)], stdout=subprocess.PIPE, check=False
    )
    if done.returncode:
        return {"failed": done.returncode}
    figures: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return figures


if __name__ == "__main__":
    sys.exit(main())
