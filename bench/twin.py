"""The experiment of 2024 in miniature: one small transformer trained twice, compared.

    python bench/twin.py --run train/scratch                  # what is trained there already
    python bench/twin.py --run train/scratch --hours 2        # train both first, two hours each
    python bench/twin.py --run train/scratch --plot twin.png --limit 200

Both twins have the same size, vocabulary, text and hours. What began with the autoregressive twin's
weights (`midspan train scratch --init RUN/ar/model`) is shown beside them. Reported: nats a token
on held-out packages (of diffusion the usual upper bound), exact match on gaps of a line there, and
tokens a second of each way of decoding, all in torch float32 with the same threads.
`--hours` needs the data of `midspan train data`. One JSON line at the end.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from gaps import Gap, draw_gaps, read_held_out
from tqdm import tqdm
from twin_models import ArTwin, DiffusionTwin
from twin_plot import draw_twins

from midspan_engine.decoding.unmask import EntropyBound, Fixed, Threshold
from midspan_engine.protocol import InfillRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """Means of one way of decoding.

    Attributes:
        exact: Share of gaps filled with the text that stood there, in %.
        tokens_per_pass: Of the answers.
        tokens_per_s: Characters of the answers in tokens, over the time they took.
        ms: Mean of a request.
    """

    exact: float
    tokens_per_pass: float
    tokens_per_s: float
    ms: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the flags ask for; the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--run", type=Path, default=Path("train/scratch"))
    parser.add_argument("--data", type=Path, default=Path("train/data"), help="for --hours")
    parser.add_argument("--hours", type=float, help="train each twin for so long first")
    parser.add_argument("--limit", type=int, default=200, help="gaps")
    parser.add_argument("--windows", type=int, default=24, help="of 512 tokens, for the likelihood")
    parser.add_argument("--plot", type=Path, help="write the picture there")
    args = parser.parse_args(arguments)
    if args.hours:
        _train(args.run, args.data, args.hours)
    try:
        line = compare(args.run, limit=args.limit, windows=args.windows)
    except FileNotFoundError as error:
        print(f"twin: {error}", file=sys.stderr)
        return 2
    if args.plot:
        draw_twins(line, args.plot)
    print(json.dumps(line))
    return 0


def compare(run: Path, *, limit: int, windows: int) -> dict[str, object]:
    """All figures of the twins in `run`."""
    stream = read_held_out(run)
    ar = ArTwin(run / "ar" / "model")
    rng = np.random.default_rng(0)
    texts = np.stack([stream.window(rng, 512) for _ in range(windows)])
    gaps = draw_gaps(stream, ar.tokenizer, limit, rng)
    ways = {"ar": measure(gaps, lambda request, _gap: ar.fill(request))}
    seen, nats = {"ar": ar.seen}, {"ar": round(ar.nats(texts), 4)}
    for kind in ("diffusion", "diffusion-from-ar"):
        folder = run / kind / "model"
        if not folder.is_dir():
            continue
        twin = DiffusionTwin(folder)
        seen[kind], nats[kind] = twin.seen, round(twin.nats(texts), 4)
        for name, config in _configs(twin).items():
            ways[f"{kind}, {name}"] = measure(gaps, _filler(twin, config))
    return {
        "bench": "twin",
        "gaps": len(gaps),
        "tokens_supervised": seen,
        "nats_a_token": nats,
        "ways": {name: asdict(way) for name, way in ways.items()},
    }


def measure(gaps: Sequence[Gap], fill: Callable[[InfillRequest, Gap], tuple[str, int, int]]) -> Way:
    """Fill every gap one way."""
    exact, tokens, passes, spent = 0, 0, 0, 0.0
    for number, gap in enumerate(tqdm(gaps, leave=False)):
        request = InfillRequest(
            id=number, session=f"{number}", prefix=gap.prefix, suffix=gap.suffix
        )
        began = time.perf_counter()
        text, count, needed = fill(request, gap)
        spent += time.perf_counter() - began
        exact += text.rstrip() == gap.middle.rstrip()
        tokens += count
        passes += needed
    return Way(
        exact=round(100 * exact / len(gaps), 2),
        tokens_per_pass=round(tokens / max(passes, 1), 2),
        tokens_per_s=round(tokens / spent, 1),
        ms=round(1e3 * spent / len(gaps), 1),
    )


def _configs(twin: DiffusionTwin) -> dict[str, object]:
    """Ways of the diffusion twin, from one token a pass to all at once; `oracle` knows lengths."""
    chances = (0.99, 0.9, 0.7, 0.5, 0.3)
    thresholds = {f"p>{p}": twin.config(Threshold(math.log(p))) for p in chances}
    return {
        "one-a-pass": twin.config(Fixed(1)),
        **thresholds,
        "entropy<0.5": twin.config(EntropyBound(0.5)),
        "one-a-pass, oracle length": "oracle",
    }


def _filler(
    twin: DiffusionTwin, config: object
) -> Callable[[InfillRequest, Gap], tuple[str, int, int]]:
    def fill(request: InfillRequest, gap: Gap) -> tuple[str, int, int]:
        chosen = config
        if chosen == "oracle":
            masks = len(twin.bench.tokenizer.encode(gap.middle))
            chosen = twin.config(Fixed(1), length="fixed", masks=masks)
        found = twin.bench.run(request, chosen)  # type: ignore[arg-type]
        return found.text, len(found.tokens), found.passes

    return fill


def _train(run: Path, data: Path, hours: float) -> None:
    """One after the other, so that each has the machine to itself."""
    for objective in ("ar", "diffusion"):
        end = time.strftime("%Y-%m-%dT%H:%M", time.gmtime(time.time() + 3600 * hours))
        command = [sys.executable, "-m", "midspan_server", "train", "scratch"]
        command += ["--objective", objective, "--run", str(run), "--data", str(data)]
        subprocess.run([*command, "--compile", "--until", end], check=True)


if __name__ == "__main__":
    sys.exit(main())
