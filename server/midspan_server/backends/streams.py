"""Events of a streamed answer: server-sent events, JSON lines, or one JSON body."""

from __future__ import annotations

from typing import TYPE_CHECKING

from midspan_server.backends.failure import BackendFailure

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_BYTES = 1_000_000
_JSON_LINES = {"application/x-ndjson", "application/ndjson", "application/jsonl"}


class Events:
    """Cuts the bytes of a body into JSON texts; `feed` what comes, then call `end`.

    Raises (both):
        BackendFailure: the body is no answer of an API, or larger than any completion.
    """

    def __init__(self, content_type: str, host: str) -> None:
        self._kind = content_type.partition(";")[0].strip().lower()
        self._host = host
        self._buffer = b""
        self._data: list[bytes] = []
        self._bytes = 0
        if self._kind not in {"text/event-stream", "application/json", *_JSON_LINES}:
            raise BackendFailure(
                f"{host} answered with {self._kind[:40] or 'no content type'}, which is no "
                "completion; see midspan.backend.url",
                lasting=True,
            )

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Yield the JSON texts that are complete now."""
        self._bytes += len(chunk)
        if self._bytes > MOST_BYTES:
            raise BackendFailure(f"{self._host} sent more than a completion can be")
        self._buffer += chunk
        if self._kind == "application/json":
            return
        *lines, self._buffer = self._buffer.split(b"\n")
        for line in lines:
            yield from self._line(line.removesuffix(b"\r"))

    def end(self) -> Iterator[bytes]:
        """Yield what stands at the end without a line break."""
        rest, self._buffer = self._buffer, b""
        if self._kind == "application/json":
            yield rest
            return
        yield from self._line(rest)
        yield from self._line(b"")

    def _line(self, line: bytes) -> Iterator[bytes]:
        if self._kind != "text/event-stream":
            if line.strip():
                yield line
        elif line.startswith(b"data:"):
            self._data.append(line.removeprefix(b"data:").removeprefix(b" "))
        elif line.startswith(b"error:"):
            # A field of llama.cpp's own; the value is what others call `error` in an event.
            self._data = [b'{"error":', line.removeprefix(b"error:"), b"}"]
        elif not line and self._data:
            data, self._data = b"\n".join(self._data), []
            if data.strip() != b"[DONE]":
                yield data
