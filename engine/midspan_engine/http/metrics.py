"""What `/metrics` shows, in a registry of its own. Nothing of any prompt is in it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from midspan_engine.service.memory import resident_bytes

if TYPE_CHECKING:
    from collections.abc import Callable

    from midspan_engine.protocol import DecodeStats

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_COUNTS = (1, 2, 3, 4, 6, 8, 12, 16, 32)
_ROWS = (1, 4, 8, 16, 32, 64, 128, 256, 512)
_PARTS = {
    "queue": "Waiting for the engine",
    "context": "Encoding the context",
    "decode": "Filling the hole",
}
_COUNTED = {
    "passes": ("passes", "Passes that looked for tokens"),
    "tokens": ("tokens", "Tokens of answers"),
    "drafted": ("drafted_tokens", "Tokens that were guessed"),
    "accepted": ("accepted_tokens", "Guesses that stood"),
    "prompt_tokens": ("prompt_tokens", "Tokens of prompts"),
    "cached_tokens": ("cached_prompt_tokens", "Of those, found in the cache"),
}


class Metrics:
    """Counters of one server.

    Args:
        open_requests: Requests over HTTP that are not answered yet, now.
        in_engine: The engine's, those of editors included, now.
        free_cache: Share of the context cache that nobody holds, now; 0..1.
    """

    def __init__(
        self,
        open_requests: Callable[[], int],
        in_engine: Callable[[], int],
        free_cache: Callable[[], float],
    ) -> None:
        self.registry = registry = CollectorRegistry()
        counter = partial(Counter, registry=registry)
        histogram = partial(Histogram, registry=registry)
        self._requests = counter(
            "midspan_requests", "Requests by route and status", ["route", "status"]
        )
        self._seconds = histogram(
            "midspan_request_seconds", "From arrival to the end", ["route"], buckets=_SECONDS
        )
        self._gone = counter("midspan_disconnects", "Clients that hung up", ["route"])
        self._parts = {
            part: histogram(f"midspan_{part}_seconds", help_, buckets=_SECONDS)
            for part, help_ in _PARTS.items()
        }
        self._counts = {
            field: counter(f"midspan_{name}", help_) for field, (name, help_) in _COUNTED.items()
        }
        self._per_pass = histogram("midspan_tokens_per_pass", "Of one request", buckets=_COUNTS)
        self._batch = histogram(
            "midspan_batch_requests", "Requests that share a pass", buckets=_COUNTS
        )
        self._rows = histogram("midspan_batch_rows", "Rows of a pass", buckets=_ROWS)
        self._pass = histogram("midspan_pass_seconds", "Of one pass", buckets=_SECONDS)
        now: dict[str, tuple[str, Callable[[], float]]] = {
            "queue_requests": ("Requests over HTTP that are not answered yet", open_requests),
            "engine_requests": ("Requests in the engine, those of editors included", in_engine),
            "resident_bytes": ("Memory of the process", resident_bytes),
            "cache_free_ratio": ("Share of the context cache that nobody holds", free_cache),
        }
        for name, (help_, value) in now.items():
            Gauge(f"midspan_{name}", help_, registry=registry).set_function(value)

    def request(self, route: str, status: int, seconds: float) -> None:
        """Count one answered request."""
        self._requests.labels(route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def gone(self, route: str) -> None:
        """Count one client that hung up."""
        self._gone.labels(route).inc()

    def decoded(self, stats: DecodeStats) -> None:
        """Count what one request cost."""
        for name, counter in self._counts.items():
            counter.inc(getattr(stats, name))
        for name, histogram in self._parts.items():
            histogram.observe(max(getattr(stats, f"{name}_ms"), 0.0) / 1e3)
        if stats.passes:
            self._per_pass.observe(stats.tokens / stats.passes)

    def one_pass(self, requests: int, rows: int, seconds: float) -> None:
        """Count one pass; called on the engine thread."""
        self._batch.observe(requests)
        self._rows.observe(rows)
        self._pass.observe(seconds)

    def text(self) -> bytes:
        """All of it in Prometheus's format."""
        return generate_latest(self.registry)
