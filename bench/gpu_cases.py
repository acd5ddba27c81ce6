"""What `bench/gpu.py` runs: a kernel, its twin and what a user would take instead, same inputs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from gpu_libraries import attention_libraries, linear_libraries, rank_plainly, score_plainly
from roofline_work import bytes_of
from torch.nn import functional

from midspan_kernels import activation, attention, head, linear, norm, rope
from midspan_kernels.reference import activation as gate_twin
from midspan_kernels.reference import attention as attention_twin
from midspan_kernels.reference import head as head_twin
from midspan_kernels.reference import linear as linear_twin
from midspan_kernels.reference import norm as norm_twin
from midspan_kernels.reference import rope as rope_twin
from midspan_kernels.rows import Batch
from midspan_kernels.weights import QuantisedWeight, quantise, quantise_as_floats

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

    from roofline_work import Network
    from torch import Tensor

    from midspan_kernels.confidence import RowConfidence

PAGE = 32
TOP = 8
"""What the engine asks the head for."""
HOLDINGS: dict[str, int] = {"bf16": 16, "int8": 8, "fp8": 8, "int4": 4}
"""How weights are held, and their bits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One kernel with one set of inputs.

    Attributes:
        noun: Its module, for the tolerance.
        shape: For the table.
        bytes: That have to move.
        ours, twin: Calls that return the same tensor.
        libraries: What a user would take instead, by name; their results may be rounded otherwise.
    """

    noun: str
    shape: str
    bytes: float
    ours: Callable[[], Tensor]
    twin: Callable[[], Tensor]
    libraries: dict[str, Callable[[], object]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How large the inputs are.

    Attributes:
        network: Widths and heads.
        users: Requests in the batch.
        rows: Of each of them; the last half are mask rows.
        context: Places before the rows.
    """

    network: Network
    users: int
    rows: int
    context: int
    device: str
    kind: torch.dtype

    @property
    def takes_fp8(self) -> bool:
        """Whether kernels for 8-bit floats run on the device."""
        return self.device == "cpu" or torch.cuda.get_device_capability() >= (8, 9)

    @property
    def all_rows(self) -> int:
        return self.users * self.rows

    def random(self, *shape: int) -> Tensor:
        """Normal values of the dtype and on the device."""
        return torch.randn(*shape, device=self.device).to(self.kind)

    def whole(self, *values: int) -> Tensor:
        """int32 on the device."""
        return torch.tensor(values, dtype=torch.int32, device=self.device)

    def __str__(self) -> str:
        return f"{self.network.name}, {self.users} x {self.rows} rows"


def all_cases(size: Size) -> Iterator[Case]:
    """Every kernel whose result is a tensor of floats; steps are in `gpu_steps`."""
    yield from head_cases(size)
    yield attention_case(size)
    yield rope_case(size)
    yield move_case(size)
    yield norm_case(size)
    yield gate_case(size)
    for name in size.network.linears:
        for held in HOLDINGS:
            if held != "fp8" or size.takes_fp8:
                yield linear_case(size, name, held)


def head_cases(size: Size) -> Iterator[Case]:
    vocab, width = size.network.vocab, size.network.width
    hidden, weight = size.random(size.all_rows, width), size.random(vocab, width) / width**0.5
    heads: dict[str, tuple[Tensor | QuantisedWeight, float]] = {
        "dense": (weight, vocab * width * weight.itemsize),
        "int8": (hold(weight, "int8"), vocab * width * bytes_of(8)),
    }
    if size.takes_fp8:
        heads["fp8"] = (hold(weight, "fp8"), vocab * width * bytes_of(8))
    for name, (stored, moved) in heads.items():
        judged = _head_case(f"{size}, {name} head", hidden, stored, moved, ranked=0)
        ranked = _head_case(f"{size}, {name} head, ranked", hidden, stored, moved, ranked=TOP)
        if name == "dense":
            judged.libraries["torch"] = lambda: score_plainly(hidden, weight)
            ranked.libraries["torch"] = lambda: rank_plainly(hidden, weight)
        yield from (judged, ranked)


def _head_case(
    shape: str, hidden: Tensor, weight: Tensor | QuantisedWeight, moved: float, *, ranked: int
) -> Case:
    def run(module: ModuleType) -> Tensor:
        scores: RowConfidence = module.score_rows(hidden, weight, ranked=ranked)
        return scores.logprobs if scores.ranked_logits is None else scores.ranked_logits

    return Case(
        noun="head",
        shape=shape,
        bytes=moved,
        ours=lambda: run(head),
        twin=lambda: run(head_twin),
    )


def batch_of(size: Size) -> Batch:
    """Pages in random order; half of each request's rows are a block behind its first row."""
    places = size.context + size.rows
    each = -(-places // PAGE)
    pages = torch.randperm(each * size.users, device=size.device).int().view(size.users, each)
    causal = size.rows - size.rows // 2
    behind = [-1] * causal + [0] * (size.rows // 2)
    return Batch(
        firsts=size.whole(*range(0, size.all_rows + 1, size.rows)),
        starts=size.whole(*[size.context] * size.users),
        behind=size.whole(*behind * size.users),
        pages=pages,
        most_rows=size.rows,
        longest=places,
    )


def attention_case(size: Size) -> Case:
    network, batch = size.network, batch_of(size)
    shape = batch.pages.numel(), network.key_heads, PAGE, network.head
    keys, values = size.random(*shape), size.random(*shape)
    query = size.random(size.all_rows, network.heads, network.head)
    return Case(
        noun="attention",
        shape=f"{size}, {size.context} places",
        bytes=size.users * batch.longest * network.key_heads * network.head * 2 * query.itemsize,
        ours=lambda: attention.attend(query, keys, values, batch),
        twin=lambda: attention_twin.attend(query, keys, values, batch),
        libraries=attention_libraries(query, keys, values, batch),
    )


def rope_case(size: Size) -> Case:
    network, batch = size.network, batch_of(size)
    all_heads = network.heads + 2 * network.key_heads
    mixed = size.random(size.all_rows, all_heads, network.head)
    angles = rope.rotary_table(torch.arange(batch.longest, device=size.device), network.head, 1e6)
    positions, lines = size.whole(*list(range(size.rows)) * size.users), batch.lines(PAGE)
    caches = [
        torch.zeros(
            batch.pages.numel(), network.key_heads, PAGE, network.head,
            dtype=size.kind, device=size.device,
        )
        for _ in range(2)
    ]  # fmt: skip
    return Case(
        noun="rope",
        shape=str(size),
        bytes=2 * mixed.numel() * mixed.itemsize,
        ours=lambda: rope.rotate_into_cache(mixed, angles, positions, lines, *caches),
        twin=lambda: rope_twin.rotate_into_cache(mixed, angles, positions, lines, *caches),
    )


def move_case(size: Size) -> Case:
    """Half of the context goes three places on; the second run moves it back."""
    network, batch = size.network, batch_of(size)
    shape = network.layers, 2, batch.pages.numel(), network.key_heads, PAGE, network.head
    ours, twin = (torch.zeros(shape, dtype=size.kind, device=size.device) for _ in range(2))
    ours.normal_()
    twin.copy_(ours)
    count = size.context // 2
    moves = size.whole(*[size.context // 4, count, 3] * size.users).view(-1, 3)
    turns = rope.rotary_table(moves[:, 2], network.head, 1e6)

    def run(cache: Tensor, *, plainly: bool) -> Tensor:
        (rope_twin if plainly else rope).move(cache, batch.pages, moves, turns)
        return cache

    return Case(
        noun="rope",
        shape=f"{size}, {count} cached places moved",
        bytes=2 * size.users * count * network.place_bytes,
        ours=lambda: run(ours, plainly=False),
        twin=lambda: run(twin, plainly=True),
    )


def norm_case(size: Size) -> Case:
    width, parts = size.network.width, 4
    residual = torch.randn(size.all_rows, width, device=size.device)
    update = torch.randn(parts, size.all_rows, width, device=size.device)
    weight = size.random(width)

    def plainly() -> Tensor:
        total = residual + update.sum(0)
        return functional.rms_norm(total, (width,), weight.float(), 1e-6).to(size.kind)

    return Case(
        noun="norm",
        shape=f"{size}, {parts} parts",
        bytes=size.all_rows * width * (4 * parts + 10),
        ours=lambda: norm.add_and_norm(residual.clone(), update, weight, 1e-6),
        twin=lambda: norm_twin.add_and_norm(residual.clone(), update, weight, 1e-6),
        libraries={"torch": plainly},
    )


def gate_case(size: Size) -> Case:
    mlp = size.network.mlp
    mixed = size.random(size.all_rows, 2 * mlp)
    return Case(
        noun="activation",
        shape=str(size),
        bytes=size.all_rows * mlp * 3 * mixed.itemsize,
        ours=lambda: activation.gate(mixed),
        twin=lambda: gate_twin.gate(mixed),
        libraries={"torch": lambda: functional.silu(mixed[:, :mlp]) * mixed[:, mlp:]},
    )


def linear_case(size: Size, name: str, held: str) -> Case:
    outputs, inputs = size.network.linears[name]
    x = size.random(size.all_rows, inputs)
    dense = size.random(outputs, inputs) / inputs**0.5
    weight = hold(dense, held)
    adapter = linear.RowAdapter(
        down=size.random(32, inputs) / inputs**0.5,
        up=size.random(outputs, 32) / 6,
        rows=torch.arange(size.all_rows, device=size.device) % 2 == 1,
    )
    parts = linear.useful_parts(x, outputs, inputs)
    return Case(
        noun="linear",
        shape=f"{size}, {name} {held}",
        bytes=outputs * inputs * bytes_of(HOLDINGS[held]),
        ours=lambda: linear.multiply(x, weight, adapter=adapter, parts=parts),
        twin=lambda: linear_twin.multiply(x, weight, adapter=adapter, parts=parts),
        libraries=linear_libraries(x, dense, adapter, held),
    )


def hold(dense: Tensor, held: str) -> Tensor | QuantisedWeight:
    """A matrix as `HOLDINGS` names it."""
    if held == "bf16":
        return dense
    if held == "fp8":
        return quantise_as_floats(dense)
    return quantise(dense, 8 if held == "int8" else 4)
