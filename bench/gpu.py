"""Kernels on a GPU: right, and faster than what one would take instead?

    python bench/gpu.py                     0.5B, one user and many
    python bench/gpu.py --network 7B --users 1 32
    python bench/gpu.py --reduced           small, anywhere: the CPU checks that all of this runs

Each kernel is compared with its twin and timed beside the twin, torch, torch.compile, and
FlashInfer and torchao where they are installed. The exit code is 1 where a kernel is further from
its twin than `midspan_kernels.tolerances` allows. On a CPU nothing is timed. The last line is
what the host needs from the end of a pass to the next one, beside which `bench/roofline.py` says
from when on a loop on the device would pay.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import torch
from gpu_cases import Case, Size, all_cases
from gpu_steps import all_steps
from gpu_timing import microseconds
from gpu_turn import Turns
from roofline_work import GPUS, NETWORKS, Network

from midspan_kernels.capability import runs_triton
from midspan_kernels.tolerances import worst

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_SMALL = Network(
    name="small", layers=2, width=128, heads=8, key_heads=2, head=16, mlp=128, vocab=300
)
_REFUSED = (RuntimeError, TypeError, ValueError, ImportError, AttributeError, NotImplementedError)
"""What a library may raise on a GPU, or in a version, that it does not serve."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; 1 where a kernel disagrees with its twin."""
    options = _options(arguments)
    reduced = options.reduced or not torch.cuda.is_available()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.manual_seed(0)
    _print_place(device, reduced=reduced)
    bad = 0
    for size in _sizes(options, device, reduced=reduced):
        for case in all_cases(size):
            bad += _run_case(case, size.kind, timed=not reduced)
        for step in all_steps(size.users, cells=7, device=device):
            step.ours()
            step.twin()
            agrees = step.agrees()
            bad += not agrees
            timed = f"{microseconds(step.ours):9.1f} us" if not reduced else ""
            print(f"{step.name:58}{'same' if agrees else 'DIFFERS':>8}{timed}")
    turns = Turns(device)
    committed = turns.take()
    bad += committed != 8
    timed = "" if reduced else f"{turns.microseconds():9.1f} us"
    print(f"{'the host between two passes, 1 user, 8 rows':58}{committed:>8}{timed}")
    print(f"\n{bad} disagree" if bad else "\nall agree with their twins")
    return 1 if bad else 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    names = [network.name for network in NETWORKS]
    parser.add_argument("--network", choices=names, default=names[0])
    parser.add_argument("--users", type=int, nargs="+", default=[1, 16])
    parser.add_argument("--rows", type=int, nargs="+", default=[1, 8, 16], help="of each user")
    parser.add_argument("--context", type=int, default=2000)
    parser.add_argument("--reduced", action="store_true", help="small shapes, no times")
    return parser.parse_args(arguments)


def _sizes(options: argparse.Namespace, device: str, *, reduced: bool) -> list[Size]:
    if reduced:
        kind = torch.float32
        return [
            Size(network=_SMALL, users=users, rows=rows, context=40, device=device, kind=kind)
            for users, rows in ((1, 1), (2, 4))
        ]
    network = next(network for network in NETWORKS if network.name == options.network)
    return [
        Size(
            network=network, users=users, rows=rows, context=options.context,
            device=device, kind=torch.bfloat16,
        )
        for users in options.users
        for rows in options.rows
    ]  # fmt: skip


def _print_place(device: str, *, reduced: bool) -> None:
    probe = torch.zeros(1, device=device)
    name = torch.cuda.get_device_name() if device == "cuda" else "a CPU"
    what = "the kernels" if runs_triton(probe) else "the twins alone, for Triton cannot run here"
    print(f"{name}, torch {torch.__version__}: {what}")
    if reduced:
        print("Reduced: small shapes in float32, compared and not timed.")
    else:
        print("us of a captured graph, inputs not in the cache; GB/s of our kernel")


def _run_case(case: Case, kind: torch.dtype, *, timed: bool) -> bool:
    """Compare, time, print; true where the kernel is too far from its twin."""
    error = worst(case.noun, case.ours(), case.twin(), kind)
    line = f"{case.noun + ', ' + case.shape:58}{error:8.0%}"
    if timed:
        line += _times(case)
    else:
        for call in case.libraries.values():
            call()
    print(line)
    return error > 1


def _times(case: Case) -> str:
    ours = microseconds(case.ours)
    rate = case.bytes / ours / 1e3
    peak = next((gpu for gpu in GPUS if gpu.name in torch.cuda.get_device_name()), None)
    share = f" ({rate * 1e9 / peak.bandwidth:.0%})" if peak is not None else ""
    line = f"{ours:9.1f} us {rate:7.0f} GB/s{share}"
    line += _time("twin", case.twin, captured=False)
    for name, call in case.libraries.items():
        line += _time(name, call)
        if name == "torch":
            line += _time("torch.compile", torch.compile(call))
    return line


def _time(name: str, call: Callable[[], object], *, captured: bool = True) -> str:
    try:
        return f"  {name} {microseconds(call, captured=captured):.1f}"
    except _REFUSED as error:
        return f"  {name} refused ({type(error).__name__})"


if __name__ == "__main__":
    raise SystemExit(main())
