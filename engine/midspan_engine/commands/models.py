"""`midspan models`: what is on this machine, and what can be fetched."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from midspan_engine import weights
from midspan_engine.weights.embedded import embedded_model

if TYPE_CHECKING:
    import argparse

    from midspan_engine.weights import ModelFiles

HELP = "list the models on this machine and those that can be fetched"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """Print both lists."""
    here = [embedded_model(), *weights.installed()]
    names = {files.name for files in here}
    missing = [model for model in weights.KNOWN_MODELS if model.name not in names]
    if args.json:
        fetchable = [
            {
                "name": model.name,
                "size_bytes": model.size_bytes,
                "licence": model.licence,
                "origin": model.origin,
            }
            for model in missing
        ]
        print(json.dumps({"installed": [_described(f) for f in here], "fetchable": fetchable}))
        return 0
    print("On this machine:")
    for files in here:
        print(f"  {files.name:<20} {_megabytes(files.size_bytes)}  {files.licence}, {files.origin}")
        print(f"  {'':<20} {files.folder}")
    print("To fetch, `midspan pull NAME`:")
    for model in missing:
        print(f"  {model.name:<20} {_megabytes(model.size_bytes)}  {model.licence}, {model.origin}")
    print("  OWNER/MODEL          any Qwen2.5-Coder repository of safetensors on the hub")
    print("  NAME --from PATH     a GGUF or a Hugging Face folder of that family")
    return 0


def _described(files: ModelFiles) -> dict[str, object]:
    return {
        "name": files.name,
        "size_bytes": files.size_bytes,
        "licence": files.licence,
        "origin": files.origin,
        "sha256": files.sha256,
        "path": str(files.folder),
    }


def _megabytes(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:>8,.0f} MB"
