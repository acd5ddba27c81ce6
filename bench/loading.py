"""The model that a bench runs: its options and its network."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

from midspan_engine import weights
from midspan_engine.adapters import Adapters
from midspan_engine.runtime import RuntimeName, create_runtime
from midspan_engine.tokenizer import Tokenizer

if TYPE_CHECKING:
    import argparse

    from midspan_engine.runtime import Runtime

RUNTIMES: tuple[RuntimeName, ...] = get_args(RuntimeName)
_CACHE_BYTES = 128 << 20


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """Declare `--model`, `--runtime`, `--infill`, `--adapter` and `--edits`."""
    parser.add_argument("--model", default=weights.DEFAULT_MODEL)
    parser.add_argument("--runtime", choices=RUNTIMES, default="auto")
    parser.add_argument("--infill", default="auto", help="infilling adapter: auto, none or a file")
    parser.add_argument("--adapter", default="none", help="diffusion adapter: auto, none or a file")
    parser.add_argument("--edits", default="auto", help="adapter for next edits, likewise")


def load(
    args: argparse.Namespace, runtime: RuntimeName | None = None, *, for_edits: bool = False
) -> tuple[Runtime, Tokenizer]:
    """The network and tokenizer that the options name, on `runtime` where it is given."""
    files = weights.resolve(args.model)
    adapters = Adapters.choose(
        files.sha256, infill=args.infill, mask=args.adapter, edits=args.edits
    )
    network = create_runtime(
        files.folder,
        name=runtime or args.runtime,
        cache_bytes=_CACHE_BYTES,
        adapters=adapters,
        for_edits=for_edits and adapters.edits is not None,
    )
    return network, Tokenizer.load(files)
