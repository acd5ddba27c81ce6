"""What a pass has to move and compute, kernel by kernel, and how long a GPU needs at least."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """From the data sheets: dense bf16 with float32 sums, no sparsity."""

    name: str
    gigabytes: float
    bandwidth: float
    arithmetic: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    name: str
    layers: int
    width: int
    heads: int
    key_heads: int
    head: int
    mlp: int
    vocab: int
    tied: bool = True

    @property
    def linears(self) -> dict[str, tuple[int, int]]:
        """(outputs, inputs) of each merged linear of a layer."""
        return {
            "q-k-v": ((self.heads + 2 * self.key_heads) * self.head, self.width),
            "output": (self.width, self.heads * self.head),
            "gate-up": (2 * self.mlp, self.width),
            "down": (self.width, self.mlp),
        }

    @property
    def body(self) -> int:
        """Weights of all layers."""
        return self.layers * sum(outputs * inputs for outputs, inputs in self.linears.values())

    @property
    def place_bytes(self) -> int:
        """Keys and values of one place of the cache."""
        return self.layers * 2 * self.key_heads * self.head * 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumptions:
    """What a roofline does not know.

    Attributes:
        bandwidth: Share of the peak that a good kernel reaches.
        arithmetic: Likewise.
        launch: Seconds from the end of one kernel's work to the start of the next one's, in a
            captured graph: launch, ramp and the wait for the last program.
    """

    bandwidth: float = 0.8
    arithmetic: float = 0.6
    launch: float = 2e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """`count` launches of one kernel, each with so many bytes and operations."""

    name: str
    count: int
    bytes: float
    flops: float

    def seconds(self, gpu: Gpu, assumed: Assumptions) -> float:
        """Predicted time of all launches together."""
        moving = self.bytes / (gpu.bandwidth * assumed.bandwidth)
        computing = self.flops / (gpu.arithmetic * assumed.arithmetic)
        return self.count * (assumed.launch + max(moving, computing))

    def bound(self, gpu: Gpu, assumed: Assumptions) -> str:
        """What most of the time goes to."""
        moving = self.bytes / (gpu.bandwidth * assumed.bandwidth)
        computing = self.flops / (gpu.arithmetic * assumed.arithmetic)
        parts = {"launch": assumed.launch, "bytes": moving, "arithmetic": computing}
        return max(parts, key=lambda name: parts[name])


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """The shape of one pass.

    Attributes:
        users: Requests in the batch.
        rows: Of each request.
        context: Places before the rows, of each request.
        bits: Of the weights, 16, 8 or 4; a head has at least 8.
        rank: Of the adapter; 0 without one.
        scored: Rows of each request that the head judges.
    """

    users: int
    rows: int
    context: int
    bits: int
    rank: int = 0
    scored: int = 0


def bytes_of(bits: int) -> float:
    """Of one weight, its share of a scale for 128 included."""
    return 2.0 if bits == 16 else bits / 8 + 4 / 128


def pass_work(network: Network, shape: Pass) -> list[Work]:
    """Every kernel of one pass, as `midspan_kernels` and cuBLAS would run it."""
    rows, layers = shape.users * shape.rows, network.layers
    query = network.heads * network.head
    mixed = query + 2 * network.key_heads * network.head
    places = shape.users * (shape.context + shape.rows)
    keys = places * 2 * network.key_heads * network.head * 2
    seen = rows * (shape.context + shape.rows / 2)
    work = [
        _each("norm", 2 * layers + 1, rows * network.width * 12, rows * network.width * 6),
        *_linears(network, shape, rows),
        _each("rope and cache", layers, rows * mixed * 4, rows * mixed * 4),
        _each("attention", layers, keys + rows * query * 4, 4 * seen * query),
        _each("attention, merge", layers, rows * query * 8 * 4, rows * query * 16),
        _each("swiglu", layers, rows * network.mlp * 6, rows * network.mlp * 6),
    ]
    scored = shape.users * (shape.scored or shape.rows)
    weights = network.vocab * network.width
    return [
        *work,
        _each("head", 2, weights * bytes_of(max(8, shape.bits)) / 2, scored * weights),
        _each("embedding, places, step", 8, rows * network.width * 2, 0),
    ]


def _each(name: str, count: int, moved: float, flops: float) -> Work:
    return Work(name=name, count=count, bytes=moved, flops=flops)


def _linears(network: Network, shape: Pass, rows: int) -> list[Work]:
    work = []
    for name, (outputs, inputs) in network.linears.items():
        parts = rows * (inputs + outputs) * 2
        low_rank = shape.rank * (inputs + outputs)
        moved = outputs * inputs * bytes_of(shape.bits) + parts + low_rank * 2
        flops = 2 * rows * (outputs * inputs + low_rank)
        work.append(_each(name, network.layers, moved, flops))
    return work


def seconds(work: list[Work], gpu: Gpu, assumed: Assumptions) -> float:
    """Predicted time of a pass."""
    return sum(kernel.seconds(gpu, assumed) for kernel in work)


def fits(network: Network, shape: Pass, gpu: Gpu) -> bool:
    """Whether weights and cache fit into the memory, with a tenth to spare."""
    head = network.vocab * network.width * bytes_of(max(8, shape.bits))
    embedding = 0 if network.tied else network.vocab * network.width * 2
    weights = network.body * bytes_of(shape.bits) + head + embedding
    cache = shape.users * (shape.context + shape.rows) * network.place_bytes
    return weights + cache < 0.9 * gpu.gigabytes * 1e9


NETWORKS = (
    Network(
        name="0.5B", layers=24, width=896, heads=14, key_heads=2, head=64, mlp=4864, vocab=151_936
    ),
    Network(
        name="1.5B", layers=28, width=1536, heads=12, key_heads=2, head=128, mlp=8960,
        vocab=151_936,
    ),
    Network(
        name="7B", layers=28, width=3584, heads=28, key_heads=4, head=128, mlp=18_944,
        vocab=152_064, tied=False,
    ),
)  # fmt: skip

GPUS = (
    Gpu(name="H100", gigabytes=80, bandwidth=3.35e12, arithmetic=989e12),
    Gpu(name="L4", gigabytes=24, bandwidth=300e9, arithmetic=121e12),
    Gpu(name="RTX 4090", gigabytes=24, bandwidth=1008e9, arithmetic=165e12),
)
