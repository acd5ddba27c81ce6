"""`midspan train`: build the training data, train the diffusion adapter, export it."""

from __future__ import annotations

import calendar
import logging
import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from midspan_engine import weights
from midspan_engine.adapters import Adapters
from midspan_engine.protocol import MidspanError

if TYPE_CHECKING:
    import argparse

    from midspan_engine.models.adapter_file import AdapterKind
    from midspan_engine.training.run import RunPlan

HELP = "build training data and train the adapters"
_KINDS: dict[str, AdapterKind] = {"infill": "infill", "edit": "edits"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the subcommands and their arguments."""
    actions = parser.add_subparsers(dest="action", required=True)
    data = actions.add_parser("data", help="fetch packages and write token shards")
    data.add_argument("--packages", type=Path, help="JSON list of packages (default: ours)")
    data.add_argument(
        "--exclude", type=Path, action="append", default=[], help="benchmark file to keep out"
    )
    data.add_argument(
        "--latest", action="store_true", help="newest versions, not those that we trained on"
    )
    adapter = actions.add_parser("adapter", help="train, from the last checkpoint if there is one")
    infill = actions.add_parser("infill", help="train the weights' infilling adapter, likewise")
    edits = actions.add_parser("edit-data", help="compare releases and write edit samples")
    edits.add_argument("--packages", type=Path, help="JSON list of releases (default: ours)")
    edits.add_argument(
        "--exclude", type=Path, action="append", default=[], help="benchmark file to keep out"
    )
    edit = actions.add_parser("edit", help="train the adapter for next edits, likewise")
    export = actions.add_parser("export", help="write the adapter of the last checkpoint")
    scratch = actions.add_parser(
        "scratch", help="train a small transformer from nothing, as diffusion or autoregressive"
    )
    for action in (data, adapter, infill, edit, export, scratch):
        action.add_argument(
            "--model", default=weights.DEFAULT_MODEL, help="a model's name or folder"
        )
    for action in (data, adapter, infill, export, scratch):
        action.add_argument("--data", type=Path, default=Path("train/data"))
    for action in (edits, edit):
        action.add_argument("--data", type=Path, default=Path("train/edit-data"))
    export.add_argument("--kind", choices=("mask", "infill", "edits"), default="mask")
    for action in (adapter, infill, edit, export):
        _add_run_arguments(action)
    _add_scratch_arguments(scratch)
    edit.set_defaults(run=Path("train/edit-run"), export=Path("train/edit-adapter.safetensors"))


def _add_run_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--run", type=Path, default=Path("train/run"), help="checkpoints and logs")
    parser.add_argument("--export", type=Path, default=Path("train/adapter.safetensors"))
    parser.add_argument("--config", type=Path, help="TOML settings (default: ours)")
    parser.add_argument(
        "--init",
        default="auto",
        help="adapter to begin from without a checkpoint; auto: the one that ships; none",
    )
    parser.add_argument(
        "--infill",
        default="auto",
        help="infilling adapter that the frozen weights have: auto (what ships), none, or a file",
    )
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N")
    parser.add_argument(
        "--dtype", choices=("auto", "bf16", "fp32"), default="auto", help="of the frozen weights"
    )
    parser.add_argument(
        "--threads", type=int, default=0, help="of this process (0: torch's choice)"
    )
    parser.add_argument("--compile", action="store_true", help="torch.compile the network")
    parser.add_argument("--until", help="stop then: 2026-01-31T18:00 in UTC; the rate falls to it")
    parser.add_argument(
        "--rebase",
        action="store_true",
        help="begin with --init though it was trained for other weights of the same shape",
    )
    parser.add_argument("--base-sha256", help="sum of the original weights, for a bare folder")


def _add_scratch_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--objective", choices=("ar", "diffusion"), default="diffusion")
    parser.add_argument(
        "--run", type=Path, default=Path("train/scratch"), help="vocabulary, checkpoints and logs"
    )
    parser.add_argument(
        "--init", type=Path, metavar="FOLDER", help="exported weights to begin with: RUN/ar/model"
    )
    parser.add_argument("--config", type=Path, help="TOML settings (default: ours)")
    parser.add_argument("--threads", type=int, default=0, help="0: torch's choice")
    parser.add_argument("--compile", action="store_true", help="torch.compile the network")
    parser.add_argument("--until", help="stop then: 2026-01-31T18:00 in UTC; the rate falls to it")
    parser.add_argument(
        "--ship",
        type=Path,
        metavar="FOLDER",
        help="train nothing: write the last checkpoint's average there, as int8",
    )


def run(args: argparse.Namespace) -> int:
    """Run one subcommand."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(message)s")
    if args.action == "data":
        return _data(args)
    if args.action == "edit-data":
        return _edit_data(args)
    return _scratch(args) if args.action == "scratch" else _adapter(args)


def _scratch(args: argparse.Namespace) -> int:
    from midspan_engine.training.machine import keep_memory  # noqa: PLC0415

    keep_memory()
    import torch  # noqa: PLC0415 - heavy

    from midspan_engine.training.checkpoint import CheckpointError  # noqa: PLC0415
    from midspan_engine.training.data_shards import ShardError  # noqa: PLC0415
    from midspan_engine.training.scratch.run import prepare_scratch  # noqa: PLC0415
    from midspan_engine.training.scratch.settings import ScratchSettings  # noqa: PLC0415
    from midspan_engine.training.scratch.ship import write_shipped  # noqa: PLC0415
    from midspan_engine.training.settings import SettingsError, read_settings  # noqa: PLC0415
    from midspan_engine.training.trainer import TrainingError  # noqa: PLC0415

    if args.threads:
        torch.set_num_threads(args.threads)
    try:
        trainer = prepare_scratch(
            data=args.data,
            base=weights.resolve(args.model).tokenizer,
            folder=args.run,
            objective=args.objective,
            settings=read_settings(args.config, ScratchSettings()),
            initial=args.init,
        )
        if args.ship:
            trainer.export()
            write_shipped(trainer.files.export, args.ship)
            print(args.ship)
        else:
            if args.compile:
                trainer.weights.compile(dynamic=False)
            signal.signal(signal.SIGTERM, lambda *_: trainer.stop())
            trainer.run(until=_moment(args.until))
    except (CheckpointError, SettingsError, ShardError, TrainingError, OSError) as error:
        raise MidspanError(str(error)) from error
    return 0


def _data(args: argparse.Namespace) -> int:
    from midspan_engine.training import data_build  # noqa: PLC0415 - not for every command

    files = weights.resolve(args.model)
    settings = data_build.DataSettings(
        folder=args.data, tokenizer=files.tokenizer, exclude=tuple(args.exclude)
    )
    packages = data_build.read_package_list(
        args.packages or data_build.PACKAGE_LIST, pinned=not args.latest
    )
    records = data_build.build(settings, packages)
    held_out = sum(record.held_out for record in records)
    tokens = sum(record.tokens for record in records)
    print(f"{len(records)} packages ({held_out} held out), {tokens:,} tokens in {args.data}")
    return 0


def _edit_data(args: argparse.Namespace) -> int:
    from midspan_engine.training.data_shards import ShardError  # noqa: PLC0415
    from midspan_engine.training.edits import build, package_list  # noqa: PLC0415

    settings = build.EditDataSettings(folder=args.data, exclude=tuple(args.exclude))
    try:
        packages = package_list.read_edit_packages(args.packages or package_list.PACKAGE_LIST)
        records = build.build(settings, packages)
    except (package_list.PackageListError, ShardError) as error:
        raise MidspanError(str(error)) from error
    held_out = sum(record.held_out for record in records)
    samples = sum(record.samples for record in records)
    print(f"{len(records)} packages ({held_out} held out), {samples:,} samples in {args.data}")
    return 0


def _adapter(args: argparse.Namespace) -> int:
    if args.device == "cpu":
        from midspan_engine.training.machine import keep_memory  # noqa: PLC0415

        keep_memory()
    import torch  # noqa: PLC0415 - heavy

    from midspan_engine.models.config import ModelConfigError  # noqa: PLC0415
    from midspan_engine.training import run as training  # noqa: PLC0415
    from midspan_engine.training.checkpoint import CheckpointError  # noqa: PLC0415
    from midspan_engine.training.data_shards import ShardError  # noqa: PLC0415
    from midspan_engine.training.settings import (  # noqa: PLC0415
        SettingsError,
        TrainSettings,
        edit_settings,
        infill_settings,
        read_settings,
    )
    from midspan_engine.training.trainer import TrainingError  # noqa: PLC0415

    if args.threads:
        torch.set_num_threads(args.threads)
    try:
        plan = _plan(args)
        defaults = {"edits": edit_settings, "infill": infill_settings}.get(plan.kind, TrainSettings)
        trainer = training.prepare(plan, read_settings(args.config, defaults()))
        if args.action == "export":
            trainer.export()
            print(args.export)
        else:
            signal.signal(signal.SIGTERM, lambda *_: trainer.stop())
            trainer.run(until=_moment(args.until))
    except (
        CheckpointError, ModelConfigError, SettingsError, ShardError, TrainingError,
    ) as error:  # fmt: skip
        raise MidspanError(str(error)) from error
    return 0


def _plan(args: argparse.Namespace) -> RunPlan:
    from midspan_engine.training.machine import choose_dtype  # noqa: PLC0415
    from midspan_engine.training.run import RunPlan  # noqa: PLC0415
    from midspan_engine.training.run_files import Base  # noqa: PLC0415

    files = weights.resolve(args.model)
    sha256 = args.base_sha256 or files.sha256
    if not sha256:
        raise MidspanError(
            f"{files.folder} does not say which weights it was made from: give --base-sha256"
        )
    kind: AdapterKind = getattr(args, "kind", _KINDS.get(args.action, "mask"))
    merge = None
    if kind == "infill":
        initial = Adapters.choose(sha256, infill=args.init).infill
    elif kind == "edits":
        adapters = Adapters.choose(sha256, infill=args.init, edits=args.init)
        initial = adapters.edits or adapters.infill
    else:
        adapters = Adapters.choose(sha256, infill=args.infill, mask=args.init)
        merge, initial = adapters.infill, adapters.mask
    return RunPlan(
        model=files.folder,
        data=args.data,
        folder=args.run,
        export=args.export,
        base=Base(name=files.name, sha256=sha256),
        device=_device(args.device),
        dtype=choose_dtype(args.dtype, args.device),
        compile=args.compile,
        kind=kind,
        merge=merge,
        initial=initial,
        rebase=args.rebase,
    )


def _device(name: str) -> str:
    """Under `torchrun` each process takes the card of its local rank."""
    local = os.environ.get("LOCAL_RANK")
    return f"cuda:{local}" if name == "cuda" and local is not None else name


def _moment(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        return float(calendar.timegm(time.strptime(text, "%Y-%m-%dT%H:%M")))
    except ValueError as error:
        raise MidspanError(f"--until {text!r} is not like 2026-01-31T18:00") from error
