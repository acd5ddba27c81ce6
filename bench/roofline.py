"""What the GPU path should reach, on paper: bytes and operations against data sheets.

    python bench/roofline.py                                 tables and docs/roofline.png
    python bench/roofline.py --bits 4 --context 4000         other weights, longer files
    python bench/roofline.py --tokens-keystroke 2.5          other acceptance

Nothing here is measured on a GPU; tokens of a pass, context and length are (bench/LOG.md, on CPUs).
A kernel takes its bytes at a share of the bandwidth, or its operations at a share of the
peak, whichever is longer, and a launch. `bench/gpu.py` is what fills in the truth.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from roofline_modes import Mode, Setting, predict, shape_of, turn_that_pays
from roofline_picture import USERS, draw
from roofline_work import GPUS, NETWORKS, Assumptions, pass_work, seconds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from roofline_work import Gpu, Network

MERCURY = 1109
"""Tokens a second of Mercury Coder Mini on an H100, as published (Inception Labs, 2025)."""

_BITS = "of the weights; 8 for int8 and for fp8, which move the same bytes"
_LOOPS = (2, 4)
"""Passes of a denoise loop on the device, between two looks of the host."""
_TARGET = Path(__file__).resolve().parents[1] / "docs" / "roofline.png"


def main(arguments: Sequence[str] | None = None) -> None:
    options = _options(arguments)
    assumed = Assumptions(
        bandwidth=options.bandwidth, arithmetic=options.arithmetic, launch=options.launch_us / 1e6
    )
    setting = Setting(
        context=options.context,
        length=options.length,
        bits=options.bits,
        rank=options.rank,
        assumed=assumed,
    )
    modes = _modes(options)
    print("PREDICTION from bytes and operations; nothing was measured on a GPU.")
    print(
        f"{options.bits}-bit weights, {options.context} tokens of context, {options.rows} rows a "
        f"pass ({options.rows_draft} in a draft), {assumed.bandwidth:.0%} of the bandwidth, "
        f"{assumed.arithmetic:.0%} of the arithmetic, {options.launch_us:g} us a launch"
    )
    _print_kernels(NETWORKS[0], GPUS[0], modes[-1], setting)
    for network in NETWORKS:
        for gpu in GPUS:
            _print_rates(network, gpu, modes, setting)
    _print_turns(modes, setting)
    _print_headline(modes, setting)
    draw(modes, setting, options.picture)
    print(f"\n{options.picture.name} written")


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--bits", type=int, choices=(4, 8, 16), default=8, help=_BITS)
    parser.add_argument("--context", type=int, default=640, help="tokens around the cursor")
    parser.add_argument("--length", type=int, default=9, help="tokens of a completion")
    parser.add_argument("--rows", type=int, default=8, help="of a request in a verified pass")
    parser.add_argument("--rows-draft", type=int, default=16, help="of a request in a draft pass")
    parser.add_argument("--rank", type=int, default=32, help="of the adapter")
    parser.add_argument("--tokens-cold", type=float, default=1.35, help="a pass, verified")
    parser.add_argument("--tokens-keystroke", type=float, default=3.0, help="after a keystroke")
    parser.add_argument("--tokens-draft", type=float, default=1.68, help="with the draft adapter")
    parser.add_argument("--bandwidth", type=float, default=Assumptions().bandwidth)
    parser.add_argument("--arithmetic", type=float, default=Assumptions().arithmetic)
    parser.add_argument("--launch-us", type=float, default=Assumptions().launch * 1e6)
    parser.add_argument("--picture", type=Path, default=_TARGET)
    return parser.parse_args(arguments)


def _modes(options: argparse.Namespace) -> list[Mode]:
    rows = options.rows
    return [
        Mode(name="autoregressive", rows=1, tokens=1.0, adapted=False),
        Mode(name="verified, cold", rows=rows, tokens=options.tokens_cold),
        Mode(name="draft", rows=options.rows_draft, tokens=options.tokens_draft),
        Mode(name="verified, keystroke", rows=rows, tokens=options.tokens_keystroke, warm=True),
    ]


def _print_kernels(network: Network, gpu: Gpu, mode: Mode, setting: Setting) -> None:
    print(f"\nOne pass of {network.name} on {gpu.name}, one user, {mode.name}:")
    print(f"{'kernel':26}{'launches':>9}{'MB':>9}{'GFLOP':>8}{'us':>8}  bound by")
    work = pass_work(network, shape_of(mode, setting, users=1))
    for kernel in work:
        print(
            f"{kernel.name:26}{kernel.count:9}{kernel.count * kernel.bytes / 1e6:9.2f}"
            f"{kernel.count * kernel.flops / 1e9:8.2f}"
            f"{kernel.seconds(gpu, setting.assumed) * 1e6:8.1f}"
            f"  {kernel.bound(gpu, setting.assumed)}"
        )
    print(
        f"{'all':26}{sum(kernel.count for kernel in work):9}"
        f"{sum(kernel.count * kernel.bytes for kernel in work) / 1e6:9.2f}"
        f"{sum(kernel.count * kernel.flops for kernel in work) / 1e9:8.2f}"
        f"{seconds(work, gpu, setting.assumed) * 1e6:8.1f}"
    )


def _print_rates(network: Network, gpu: Gpu, modes: Sequence[Mode], setting: Setting) -> None:
    print(f"\n{network.name} on {gpu.name}: tokens a second for each user / of the GPU")
    print(f"{'mode':22}{'ms a pass':>10}{'completion':>11}" + "".join(f"{u:>14}" for u in USERS))
    for mode in modes:
        found = [predict(network, gpu, mode, setting, users) for users in USERS]
        if found[0] is None:
            print(f"{mode.name:22}  does not fit")
            continue
        rates = [
            f"{one.per_user:.0f}/{one.per_gpu:.0f}" if one is not None else "-" for one in found
        ]
        print(
            f"{mode.name:22}{found[0].step * 1e3:10.3f}{found[0].completion * 1e3:8.1f} ms"
            + "".join(f"{rate:>14}" for rate in rates)
        )


def _print_turns(modes: Sequence[Mode], setting: Setting) -> None:
    """How long the host would have to take for a loop on the device to be worth its last passes."""
    loops = " and ".join(map(str, _LOOPS))
    print(f"\nOne user: us of the host between two passes from which loops of {loops} would pay")
    names = [f"{network.name} {gpu.name}" for network in NETWORKS for gpu in GPUS]
    print(f"{'mode':22}" + "".join(f"{name:>16}" for name in names))
    for mode in modes:
        cells = []
        for network in NETWORKS:
            for gpu in GPUS:
                one = predict(network, gpu, mode, setting, users=1)
                passes = setting.length / mode.tokens
                turns = [turn_that_pays(one.step, passes, loop) for loop in _LOOPS] if one else []
                cells.append("/".join(f"{turn * 1e6:.0f}" for turn in turns) or "-")
        print(f"{mode.name:22}" + "".join(f"{cell:>16}" for cell in cells))


def _print_headline(modes: Sequence[Mode], setting: Setting) -> None:
    network, gpu = NETWORKS[0], GPUS[0]
    print(f"\nPredicted for one user on an {gpu.name}, {network.name}, {setting.bits} bits:")
    for mode in modes:
        one = predict(network, gpu, mode, setting, users=1)
        assert one is not None
        print(f"  {mode.name:22}{one.per_user:8,.0f} tokens a second")
    print(f"  {'Mercury Coder Mini':22}{MERCURY:8,} tokens a second, as published; its size is not")


if __name__ == "__main__":
    main()
