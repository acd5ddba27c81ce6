"""Who may ask, and from where; and a count of what was answered."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.datastructures import Headers

from midspan_engine.http.errors import ApiError
from midspan_engine.http.exchange import Gone
from midspan_engine.protocol import MidspanError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from midspan_engine.http.metrics import Metrics

OPEN_ROUTES = frozenset({"/", "/health", "/docs", "/openapi.json"})
"""They need no key: nothing of any request and nothing of the engine's work is in them."""
_LEAST_KEY = 16
_logger = logging.getLogger(__name__)


class KeyFileUnusable(MidspanError):  # noqa: N818  named for what is wrong
    """The file with the API keys cannot be used."""


def read_keys(path: Path) -> tuple[str, ...]:
    """The keys of a file, one a line; empty lines and lines that begin with `#` say nothing.

    Raises:
        KeyFileUnusable: it cannot be read, others can read it, or its keys are none or too short.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        mode = path.stat().st_mode
    except (OSError, UnicodeDecodeError) as error:
        raise KeyFileUnusable(f"{path} cannot be read: {error}") from error
    if mode & 0o077:
        raise KeyFileUnusable(f"others can read {path}; run: chmod 600 {path}")
    stripped = (line.strip() for line in lines)
    keys = tuple(line for line in stripped if line and not line.startswith("#"))
    if not keys:
        raise KeyFileUnusable(f"{path} has no key")
    if any(len(key) < _LEAST_KEY for key in keys):
        raise KeyFileUnusable(f"a key in {path} has less than {_LEAST_KEY} characters")
    return keys


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a server that listens on `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class Access:
    """What a request has to show.

    Attributes:
        keys: One of these, unless there are none.
        loopback: Whether the server listens on this machine only. Then `Host` must name this
            machine too: a page of another site whose name was made to point here (DNS rebinding)
            names its own.
    """

    keys: tuple[str, ...] = ()
    loopback: bool = True

    def check(self, path: str, headers: Headers) -> None:
        """Let pass or refuse.

        Raises:
            ApiError: 403 for the wrong `Host`, 401 for no key or a wrong one.
        """
        if self.loopback and not is_loopback(_host(headers.get("host", ""))):
            raise ApiError(403, "this server answers to the names of this machine only")
        if not self.keys or path in OPEN_ROUTES:
            return
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            given = headers.get("x-api-key", "")
        if not _is_one_of(given.strip(), self.keys):
            raise ApiError(
                401,
                "a valid API key is needed: Authorization: Bearer KEY",
                code="invalid_api_key",
                headers={"WWW-Authenticate": "Bearer"},
            )


def _host(header: str) -> str:
    if header.startswith("["):
        return header.partition("]")[0] + "]"
    return header.partition(":")[0].lower()


def _is_one_of(given: str, keys: Iterable[str]) -> bool:
    """In a time that tells neither the length nor the place of a key."""
    digest = hashlib.sha256(given.encode("utf-8", "surrogateescape")).digest()
    found = False
    for key in keys:
        found |= hmac.compare_digest(digest, hashlib.sha256(key.encode()).digest())
    return found


class Guard:
    """Checks access, turns refusals into answers, and counts.

    Args:
        app: What is guarded.
        access: What a request has to show.
        metrics: Where answers are counted.
        routes: Paths to be counted by name.
    """

    def __init__(
        self, app: ASGIApp, *, access: Access, metrics: Metrics, routes: frozenset[str]
    ) -> None:
        self._app = app
        self._access = access
        self._metrics = metrics
        self._routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        path = scope["path"]
        route = path if path in self._routes else "other"
        status = 500

        async def counted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = message.setdefault("headers", [])
                headers.append((b"x-content-type-options", b"nosniff"))
            await send(message)

        try:
            self._access.check(path, Headers(scope=scope))
            await self._app(scope, receive, counted)
        except ApiError as error:
            await error.response()(scope, receive, counted)
        except Gone:
            status = 499
            self._metrics.gone(route)
        finally:
            seconds = time.perf_counter() - began
            self._metrics.request(route, status, seconds)
            _logger.debug("%s %d %.0f ms", route, status, seconds * 1e3)
