"""How many replicas so many developers need; prints the tables of docs/capacity.md.

Every input stands below with its source: measured (bench/LOG.md), assumed, or a maker's data sheet.
Nothing is measured here. Rows of GPUs are estimates: this engine has not run on one.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass, replace

DEVELOPERS = (10, 100, 1_000, 10_000, 100_000, 1_000_000)
BUSY = 0.6  # assumed: more, and requests wait for each other
GB = 1e9


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What one developer at work asks for in an hour, and what each request takes."""

    typed_a_minute: float = 44.0  # measured: requests that reach the engine, replay of a session
    minutes: float = 10.0  # assumed: of steady typing in an hour of work
    cold: float = 30.0  # assumed: first requests in a file or at another place
    at_once: float = 0.35  # assumed: share of all developers at work in the busiest hour
    documents: float = 2.0  # assumed: contexts worth keeping for each of them
    passes: float = 2.99  # measured: after one typed character
    tokens: float = 9.05  # measured: likewise
    rows: float = 4.0  # of a pass: the last token and about three guesses
    encoded: float = 5.0  # measured: rows of context after one typed character
    context: float = 640.0  # tokens of 2,000 + 500 characters, about

    @property
    def typed(self) -> float:
        return self.typed_a_minute * self.minutes

    @property
    def rows_of_a_request(self) -> float:
        return self.passes * self.rows + self.encoded


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """Qwen2.5-Coder-0.5B."""

    parameters: float = 0.494e9
    layers: int = 24
    kv_heads: int = 2
    head: int = 64

    def cache_bytes(self, bytes_each: int) -> float:
        """Of one token."""
        return self.layers * 2 * self.kv_heads * self.head * bytes_each


@dataclass(frozen=True, slots=True, kw_only=True)
class Replica:
    """One engine on one piece of hardware."""

    name: str
    batch: int  # requests in a pass when it is busy
    fixed_ms: float  # of a pass
    row_ms: float  # of a pass, for each row
    prompt_ms: float  # for each token of context
    cache_element: int  # bytes
    weights_gb: float  # all that is not context cache
    memory_gb: float
    efficiency: float = 1.0  # what is reached of what the figures above promise

    def pass_ms(self, requests: int, work: Work) -> float:
        rows = requests * work.rows_of_a_request / work.passes
        return (self.fixed_ms + rows * self.row_ms) / self.efficiency

    def typed_ms(self, work: Work) -> float:
        """Of the replica's time, for one request of somebody who types."""
        return work.passes * self.pass_ms(self.batch, work) / self.batch

    def cold_ms(self, work: Work) -> float:
        return work.context * self.prompt_ms + self.typed_ms(work)


def cpu(work: Work) -> Replica:
    """Two cores; measured by bench/runtimes.py, bench/latency.py and bench/latency_socket.py."""
    one_row, rows_32 = 28.0, 77.0
    row_ms = (rows_32 - one_row) / 31
    ideal = Replica(
        name="2 cores, int8 (from measurements)", batch=4, fixed_ms=one_row - row_ms, row_ms=row_ms,
        prompt_ms=734 / 640, cache_element=4, weights_gb=0.9, memory_gb=8.0,
    )  # fmt: skip
    # Four sessions that type got 152 tokens a second; the passes alone would allow more.
    allowed = 4 * work.tokens / (work.passes * ideal.pass_ms(4, work)) * 1e3
    return replace(ideal, efficiency=152 / allowed)


def gpu(
    name: str, *, bytes_a_s: float, flops: float, memory_gb: float, work: Work, model: Model
) -> Replica:
    """An estimate from the data sheet's bandwidth and dense bf16 figures.

    Assumed: 60 % of the bandwidth and 40 % of the arithmetic are reached, a pass takes 5 ms to
    launch, and the engine's own Python takes 0.2 ms for each request in it.
    """
    batch = 32  # the engine refuses more
    weights = model.parameters * 2
    cached = batch * work.context * model.cache_bytes(2)
    row_ms = 2 * model.parameters / (flops * 0.4) * 1e3
    return Replica(
        name=f"{name} (estimate)", batch=batch,
        fixed_ms=5 + 0.2 * batch + (weights + cached) / (bytes_a_s * 0.6) * 1e3,
        row_ms=row_ms, prompt_ms=row_ms, cache_element=2, weights_gb=weights / GB + 1,
        memory_gb=memory_gb,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Need:
    """What one replica carries."""

    at_work: float  # developers at work at the same time
    cache_gb: float  # for them
    request_ms: float  # of somebody who types, when the replica is busy

    def replicas(self, developers: int, work: Work) -> int:
        return math.ceil(developers * work.at_once / self.at_work)


def need(replica: Replica, work: Work, model: Model, busy: float) -> Need:
    """Limited by time, `busy` of it being used, or by memory."""
    hour_ms = work.typed * replica.typed_ms(work) + work.cold * replica.cold_ms(work)
    each_gb = work.documents * work.context * model.cache_bytes(replica.cache_element) / GB
    room = (replica.memory_gb - replica.weights_gb) / each_gb
    at_work = min(busy * 3.6e6 / hour_ms, room)
    return Need(at_work, at_work * each_gb, work.passes * replica.pass_ms(replica.batch, work))


def tables(work: Work, model: Model, busy: float) -> list[str]:
    """Lines of two tables: what a replica carries, and how many are needed."""
    replicas = [
        cpu(work),
        gpu("L4", bytes_a_s=300e9, flops=121e12, memory_gb=24, work=work, model=model),
        gpu("H100 SXM", bytes_a_s=3.35e12, flops=989e12, memory_gb=80, work=work, model=model),
    ]
    needs = [need(replica, work, model, busy) for replica in replicas]
    asked = (work.typed + work.cold) / 3600
    lines = [
        "| a replica on | developers at work | requests a second | cache | busy: pass, request |",
        "|---|---|---|---|---|",
    ]
    for replica, each in zip(replicas, needs, strict=True):
        busy_pass = replica.pass_ms(replica.batch, work)
        lines.append(
            f"| {replica.name} | {each.at_work:,.0f} | {each.at_work * asked:,.1f} "
            f"| {each.cache_gb:,.1f} GB | {busy_pass:.0f} ms, {each.request_ms:.0f} ms |"
        )
    names = " | ".join(replica.name for replica in replicas)
    lines += ["", f"| developers | at work | requests a second | {names} |"]
    lines.append("|---|---|---|" + "---|" * len(replicas))
    for developers in DEVELOPERS:
        at_work = developers * work.at_once
        counts = " | ".join(f"{each.replicas(developers, work):,}" for each in needs)
        lines.append(f"| {developers:,} | {at_work:,.0f} | {at_work * asked:,.0f} | {counts} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=Work().minutes, help="of typing an hour")
    parser.add_argument("--busy", type=float, default=BUSY, help="share of the time in use")
    args = parser.parse_args()
    print("\n".join(tables(Work(minutes=args.minutes), Model(), args.busy)))


if __name__ == "__main__":
    main()
