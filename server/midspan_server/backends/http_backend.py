"""`HttpBackend`: one model behind an HTTP API, streamed, and hung up on when it has said enough.

Import it only where a backend is configured: httpx takes as long to load as all the rest.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import random
import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

import httpx
import msgspec

from midspan_engine import __version__
from midspan_server.backends.dialects import DIALECTS, body_of, stops_of
from midspan_server.backends.failure import BackendFailure, error_text, quoted, refusal
from midspan_server.backends.growing import GrowingSpan
from midspan_server.backends.keys import read_key
from midspan_server.backends.streams import Events

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable
    from typing import Any

    from midspan_engine.protocol import Infill, InfillRequest
    from midspan_server.backends.events import Event
    from midspan_server.backends.settings import BackendSettings

_log = logging.getLogger(__name__)

_OK = 200
_UNUSABLE = {400, 422}
_SAYS_LOGPROBS = re.compile(rb"logprob|n_probs", re.IGNORECASE)
_TLS_REASON = re.compile(r"\[SSL: (\w+)\]")
_MOST_ATTEMPTS = 3
_FIRST_PAUSE_S = 0.1
_MOST_ERROR_BYTES = 8192
# Below what servers keep idle connections for, so that none is used that is about to close.
_KEEP_ALIVE_S = 4.0
_DRAINED_S = 0.05
# At INFO and DEBUG they log addresses and headers.
for _name in ("httpx", "httpcore"):
    logging.getLogger(_name).setLevel(logging.WARNING)


class HttpBackend:
    """Asks the server that the settings name. Satisfies `Engine`."""

    def __init__(self, chosen: BackendSettings) -> None:
        """Take settings that `problem_of` finds no fault with."""
        self._chosen = chosen
        self._dialect = DIALECTS[chosen.kind]
        self._url = endpoint(chosen.address, self._dialect.path)
        self._wants_logprobs = self._dialect.has_logprobs
        self._client = httpx.AsyncClient(
            headers={
                **chosen.headers,
                "Content-Type": "application/json",
                "User-Agent": f"midspan/{__version__}",
                # A small compressed body could become a large one.
                "Accept-Encoding": "identity",
            },
            limits=httpx.Limits(keepalive_expiry=_KEEP_ALIVE_S),
            # The whole answer has a time limit; proxies are for the world outside.
            timeout=None,  # noqa: S113
            trust_env=not chosen.is_loopback,
        )

    @property
    def name(self) -> str:
        """What people know it by."""
        return f"{self._chosen.kind} at {self._chosen.host}"

    @property
    def model(self) -> str:
        """Name of the model; "" where the server chooses."""
        return self._chosen.model or self._dialect.model

    def check(self) -> None:
        """Look for the key without asking anybody.

        Raises:
            BackendFailure: there is none where one should be.
        """
        read_key(self._chosen)

    async def infill(
        self, request: InfillRequest, on_partial: Callable[[str], None] | None = None
    ) -> Infill:
        """Return the answer; when the time is over, what there is of it by then.

        Cancelling the coroutine closes the connection, so that the server stops too.

        Raises:
            BackendFailure: there is no answer; the message is for people.
        """
        span = GrowingSpan(request, stops_of(request, self._chosen), on_partial)
        loop = asyncio.get_running_loop()
        begun = loop.time()
        deadline = begun + self._chosen.timeout_ms / 1000
        try:
            async with asyncio.timeout_at(deadline):
                await self._ask(request, span, deadline)
        except TimeoutError as error:
            if not span.text.strip():
                raise BackendFailure(
                    f"{self._chosen.host} did not answer within {self._chosen.timeout_ms} ms"
                ) from error
        return span.infill(1000 * (loop.time() - begun))

    async def close(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    async def _ask(self, request: InfillRequest, span: GrowingSpan, deadline: float) -> None:
        loop = asyncio.get_running_loop()
        attempt = 0
        while True:
            attempt += 1
            try:
                await self._post(request, span)
            except BackendFailure as failure:
                pause_s = failure.retry_after_s
                if pause_s is None:
                    # Full jitter: those whom a failure met together do not come back together.
                    pause_s = random.uniform(0, _FIRST_PAUSE_S * 2**attempt)  # noqa: S311
                is_late = loop.time() + pause_s >= deadline
                if not failure.retry or attempt >= _MOST_ATTEMPTS or is_late or span.text:
                    raise
                _log.info("%s; asking again", failure)
                await asyncio.sleep(pause_s)
            else:
                return

    async def _post(self, request: InfillRequest, span: GrowingSpan) -> None:
        key = read_key(self._chosen)
        body = _encoded(body_of(request, self._chosen, logprobs=self._wants_logprobs))
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        host = self._chosen.host
        try:
            async with self._client.stream(
                "POST", self._url, content=body, headers=headers
            ) as response:
                if response.status_code != _OK:
                    raise await self._refusal(response, (key, request.prefix, request.suffix))
                await self._read(response, span, (key, request.prefix, request.suffix))
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise _unreachable(host, str(error)) from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            _log.info("%s: %s", host, type(error).__name__)
            raise BackendFailure(f"{host} broke off, or does not speak HTTP") from error

    async def _read(
        self, response: httpx.Response, span: GrowingSpan, hidden: tuple[str, ...]
    ) -> None:
        """Read until the span ends; leaving early closes the connection."""
        events = Events(response.headers.get("Content-Type", ""), self._chosen.host)
        chunks = response.aiter_raw()
        async for chunk in chunks:
            if self._take(events.feed(chunk), span, hidden):
                return
            if span.is_complete:
                await _drain(chunks)
                return
        if not self._take(events.end(), span, hidden):
            # HTTP tells an end from a breach, even if the server does not say that it has finished.
            span.is_complete = True

    def _take(self, texts: Iterable[bytes], span: GrowingSpan, hidden: tuple[str, ...]) -> bool:
        for text in texts:
            event = self._event(text)
            if event.error is not None:
                said = quoted(error_text(msgspec.json.encode({"error": event.error})), hidden)
                raise BackendFailure(f"{self._chosen.host} failed over the answer", detail=said)
            if span.add(event):
                return True
        return False

    def _event(self, text: bytes) -> Event:
        try:
            return self._dialect.read(text)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise BackendFailure(
                f"{self._chosen.host} sent something that is no completion of the kind "
                f"{self._chosen.kind}"
            ) from error

    async def _refusal(self, response: httpx.Response, hidden: tuple[str, ...]) -> BackendFailure:
        body = b""
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > _MOST_ERROR_BYTES:
                break
        if (
            response.status_code in _UNUSABLE
            and self._wants_logprobs
            and _SAYS_LOGPROBS.search(body)
        ):
            # Not everybody has them, and few say so before they are asked.
            self._wants_logprobs = False
            return BackendFailure("no log-probabilities there", retry=True, retry_after_s=0.0)
        retry_after = response.headers.get("Retry-After", "")
        return refusal(
            self._chosen.host,
            response.status_code,
            body[:_MOST_ERROR_BYTES],
            hidden=hidden,
            retry_after=retry_after,
        )


def _unreachable(host: str, error: str) -> BackendFailure:
    found = _TLS_REASON.search(error)
    if found is None:
        return BackendFailure(f"{host} cannot be reached", retry=True)
    reason = found[1].lower().replace("_", " ")
    return BackendFailure(f"there is no secure connection to {host}: {reason}", lasting=True)


async def _drain(chunks: AsyncIterator[bytes]) -> None:
    """Wait a little for the end of a stream that has said all: then its connection lives on."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_DRAINED_S):
            async for _ in chunks:
                pass


def endpoint(address: str, path: str) -> str:
    """Return the full address: people give the host, the path up to `/v1`, or all of it.

    All of it may lack the `/v1`, as DeepSeek's does.
    """
    parts = urlsplit(address)
    base = parts.path.rstrip("/")
    if not base.endswith(path.removeprefix("/v1")):
        base = base.removesuffix("/v1") if path.startswith("/v1/") else base
        base += path
    return urlunsplit(parts._replace(path=base))


def _encoded(body: dict[str, Any]) -> bytes:
    """Encode a body. Half a surrogate pair, which no utf-8 can carry, travels as U+FFFD."""
    try:
        return msgspec.json.encode(body)
    except UnicodeEncodeError:
        text = json.dumps(body, ensure_ascii=False)
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").encode()
