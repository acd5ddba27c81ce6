"""Compiles every kernel for GPUs that need not be there: `python -m midspan_kernels.compile`.

Prints registers, spills, shared memory and the occupancy that follows from them; `--write` keeps
the table that a test compares with. Triton brings the assembler and `cuobjdump`, so a machine
without CUDA will do.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import triton
from triton.backends.compiler import GPUTarget
from triton.backends.nvidia.compiler import CUDABackend
from triton.compiler import ASTSource

from midspan_kernels.variants import OPTIONS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from midspan_kernels.variants import Variant

NOUNS = ("head", "attention", "rope", "norm", "activation", "linear", "unmask", "verify")
ARCHITECTURES = (80, 89, 90, 100)
"""A100; L4 and RTX 4090; H100; B200."""
TABLE = Path(__file__).with_name("compiled.json")

_REGISTERS = 65_536
_THREADS = {80: 2_048, 89: 1_536, 90: 2_048, 100: 2_048}
_PROGRAMS = {80: 32, 89: 24, 90: 32, 100: 32}
_SHARED = {80: 164 * 1024, 89: 100 * 1024, 90: 228 * 1024, 100: 228 * 1024}
_SHARED_PER_PROGRAM = {80: 163 * 1024, 89: 99 * 1024, 90: 227 * 1024, 100: 227 * 1024}
_RESERVED = 1024
"""Shared memory that the driver takes for each program."""
LITTLE = 64
"""Bytes of local memory; 3.7.1, which torch's CUDA build brings, spills 16 in one kernel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled:
    """What one kernel takes on one architecture.

    Attributes:
        registers: Of each thread.
        stack: Bytes of local memory of each thread; a spill lands there, so 0 means none.
        shared: Bytes of shared memory of each program.
        occupancy: Share of a multiprocessor's threads that can be resident, in %.
    """

    registers: int
    stack: int
    shared: int
    occupancy: int


def compile_variant(variant: Variant, architecture: int) -> Compiled:
    """Compile one kernel and read what it takes.

    Raises:
        RuntimeError: `cuobjdump` says nothing that can be read.
    """
    arguments = {
        name: variant.signature.get(name, "constexpr") for name in variant.kernel.arg_names
    }
    source = ASTSource(
        variant.kernel,
        signature=arguments,
        constexprs={(variant.kernel.arg_names.index(k),): v for k, v in variant.constants.items()},
        attrs=_aligned(variant),
    )
    binary = triton.compile(
        source,
        target=GPUTarget("cuda", architecture, 32),
        options={"num_warps": variant.warps, "num_stages": variant.stages, **OPTIONS},
    )
    usage = _usage(binary.asm["cubin"])
    shared = int(binary.metadata.shared)
    return Compiled(
        registers=usage["REG"],
        stack=max(usage["STACK"], usage["LOCAL"]),
        shared=shared,
        occupancy=occupancy(architecture, variant.warps, usage["REG"], shared),
    )


def _aligned(variant: Variant) -> dict[tuple[int], list[list[object]]]:
    """Pointers come from torch, which aligns them; sizes of the networks are multiples of 16."""
    divisible = [
        variant.kernel.arg_names.index(name)
        for name, kind in variant.signature.items()
        if kind.startswith("*") or name in variant.divisible
    ]
    attributes = CUDABackend.parse_attr("D")
    return {(index,): attributes for index in divisible}


def _usage(cubin: bytes) -> dict[str, int]:
    tool = Path(triton.__file__).parent / "backends" / "nvidia" / "bin" / "cuobjdump"
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(cubin)
        file.flush()
        text = subprocess.run(
            [tool, "-res-usage", file.name], check=True, capture_output=True, text=True
        ).stdout
    found = {key: int(value) for key, value in re.findall(r"(REG|STACK|LOCAL):(\d+)", text)}
    if len(found) != 3:  # noqa: PLR2004  the three names above
        raise RuntimeError(f"cuobjdump names no registers and no stack: {text!r}")
    return found


def occupancy(architecture: int, warps: int, registers: int, shared: int) -> int:
    """Resident threads in % of what a multiprocessor holds, from registers and shared memory.

    Returns:
        0 where not even one program fits.
    """
    if shared > _SHARED_PER_PROGRAM[architecture]:
        return 0
    per_warp = -(-registers * 32 // 256) * 256
    by_registers = _REGISTERS // per_warp // warps
    by_shared = _SHARED[architecture] // (shared + _RESERVED)
    threads = _THREADS[architecture]
    programs = min(by_registers, by_shared, threads // (32 * warps), _PROGRAMS[architecture])
    return 100 * programs * 32 * warps // threads


def compile_all(architectures: Iterable[int]) -> dict[str, Compiled]:
    """Every variant on every architecture that runs it, by `name sm_NN`."""
    variants = [
        variant
        for noun in NOUNS
        for variant in import_module(f"midspan_kernels.device.{noun}").variants()
    ]
    return {
        f"{variant.name} sm_{architecture}": compile_variant(variant, architecture)
        for variant in variants
        for architecture in architectures
        if architecture >= variant.oldest
    }


def read_table() -> tuple[str, dict[str, Compiled]]:
    """The table that was committed, and the version of Triton that it holds for."""
    raw = json.loads(TABLE.read_text(encoding="utf-8"))
    return raw["triton"], {name: Compiled(**row) for name, row in raw["kernels"].items()}


def regressions(
    now: dict[str, Compiled], before: dict[str, Compiled], *, is_same: bool = True
) -> list[str]:
    """What got worse, in words: a spill, less occupancy, or a kernel that the table lacks.

    Args:
        now: What was compiled.
        before: The table.
        is_same: Whether the same version of Triton made both; another one may allot other
            registers, so occupancy does not count then, nor a spill of `LITTLE` bytes.
    """
    found = []
    for name, row in now.items():
        old = before.get(name)
        if row.stack > (0 if is_same else LITTLE):
            found.append(f"{name} spills: {row.stack} bytes of local memory")
        if not row.occupancy:
            found.append(f"{name} does not fit: {row.shared} bytes of shared memory")
        if old is None:
            found.append(f"{name} is not in the table; write it with --write")
        elif is_same and row.occupancy < old.occupancy:
            found.append(f"{name}: occupancy {old.occupancy} % before, {row.occupancy} % now")
    return [*found, *(f"{name} is gone; write the table" for name in before.keys() - now.keys())]


def _print(table: dict[str, Compiled]) -> None:
    widest = max(map(len, table))
    print(f"{'kernel':{widest}}  registers  stack  shared  occupancy")
    for name, row in table.items():
        print(
            f"{name:{widest}}  {row.registers:9}  {row.stack:5}  {row.shared:6}"
            f"  {row.occupancy:7} %"
        )


def main(arguments: Sequence[str]) -> int:
    """Compile, print, compare; the exit code is 1 where something got worse."""
    parser = argparse.ArgumentParser(prog="midspan_kernels.compile", description=__doc__)
    parser.add_argument("--write", action="store_true", help="keep the table that tests compare")
    parser.add_argument("--json", action="store_true", help="print the table as JSON")
    options = parser.parse_args(arguments)
    table = compile_all(ARCHITECTURES)
    rows = {name: asdict(row) for name, row in table.items()}
    text = json.dumps({"triton": triton.__version__, "kernels": rows}, indent=1)
    if options.json:
        print(text)
    else:
        _print(table)
    if options.write:
        TABLE.write_text(text + "\n", encoding="utf-8")
    version, before = read_table()
    if version != triton.__version__:
        print(
            f"the table is of Triton {version}: occupancy and small spills are not compared",
            file=sys.stderr,
        )
    worse = regressions(table, before, is_same=version == triton.__version__)
    print(*worse, sep="\n", file=sys.stderr, end="\n" if worse else "")
    return 1 if worse else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
