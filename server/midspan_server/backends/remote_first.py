"""`RemoteFirst`: somebody else's model completes, and the local engine where that fails."""

from __future__ import annotations

import dataclasses
import logging
from typing import TYPE_CHECKING, Protocol

from midspan_engine.protocol import EngineUnavailable
from midspan_server.backends.breaker import CircuitBreaker
from midspan_server.backends.failure import BackendFailure
from midspan_server.engine_client import Engine
from midspan_server.status import Status

if TYPE_CHECKING:
    from collections.abc import Callable

    from midspan_engine.protocol import Infill, InfillRequest
    from midspan_server.backends.http_backend import HttpBackend
    from midspan_server.backends.settings import BackendSettings
    from midspan_server.engine_client import EngineClient

    MakeLocal = Callable[[Callable[[Status], None]], EngineClient]

_log = logging.getLogger(__name__)


class Backend(Engine, Protocol):
    """An engine as a session keeps it; `EngineClient` is one."""

    async def connect(self) -> object:
        """Get ready before the first request. Raises `EngineUnavailable`."""
        ...

    def try_again(self) -> None:
        """Do not wait any longer after a failure: the user asks, and may have mended it."""
        ...

    async def close(self) -> None:
        """Hang up."""
        ...


class RemoteFirst:
    """Asks the server while it answers; the local engine is not even started then.

    A request that the server fails is answered by the local engine at once. After several such
    failures in a row, or one that only the user can mend, the server is left alone for a while.
    """

    def __init__(
        self,
        remote: HttpBackend,
        make_local: MakeLocal,
        *,
        fallback: bool,
        on_status: Callable[[Status], None],
        tell: Callable[[str], None],
        breaker: CircuitBreaker | None = None,
    ) -> None:
        """Take both; `tell` shows a sentence to the user."""
        self._remote = remote
        self.local = make_local(self._local_is)
        self._fallback = fallback
        self._on_status = on_status
        self._tell = tell
        self._breaker = breaker or CircuitBreaker()
        self._local_status = Status(state="stopped")
        self._reason = ""
        self._told: set[str] = set()
        self._is_closed = False

    async def connect(self) -> object:
        """Look whether there is a key; nobody is asked, and nothing is sent, before it is needed.

        Raises:
            EngineUnavailable: there is none, and the local engine cannot be started.
        """
        try:
            self._remote.check()
        except BackendFailure as failure:
            self._note(failure)
            return await self.local.connect() if self._fallback else None
        if not self._breaker.is_open:
            self._report()
        return None

    async def infill(
        self, request: InfillRequest, on_partial: Callable[[str], None] | None = None
    ) -> Infill | None:
        """See `Engine.infill`."""
        if self._breaker.allows():
            try:
                answer = await self._remote.infill(request, on_partial)
            except BackendFailure as failure:
                if self._is_closed:
                    return None
                self._note(failure)
            except BaseException:
                self._breaker.release()
                raise
            else:
                self._breaker.succeeded()
                self._report()
                return answer
        if not self._fallback:
            raise EngineUnavailable(self._reason)
        return await self.local.infill(request, on_partial)

    def _local_is(self, status: Status) -> None:
        """Note the local engine's status; it is shown while that engine completes."""
        self._local_status = status
        if self._breaker.is_open and self._fallback:
            self._report()

    def try_again(self) -> None:
        """See `Backend.try_again`."""
        self._breaker.try_again()
        self.local.try_again()

    async def close(self) -> None:
        """Hang up on both; requests under way resolve to None."""
        self._is_closed = True
        await self._remote.close()
        await self.local.close()

    def _note(self, failure: BackendFailure) -> None:
        self._reason = str(failure)
        was_open = self._breaker.is_open
        self._breaker.failed(lasting=failure.lasting, pause_s=failure.retry_after_s)
        if not self._breaker.is_open:
            _log.info("%s", failure)
            return
        instead = "using the local engine" if self._fallback else "there are no suggestions"
        if failure.gist not in self._told:
            self._told.add(failure.gist)
            until = "until that is mended" if failure.lasting else "for now"
            self._tell(f"{self._reason}; {instead} {until}")
        (_log.info if was_open else _log.warning)("%s; %s", self._reason, instead)
        self._report()

    def _report(self) -> None:
        """Tell who completes now, and why if it is not the server."""
        if not self._breaker.is_open:
            status = Status(state="ready", model=self._remote.model, backend=self._remote.name)
        elif not self._fallback:
            status = Status(state="failed", message=self._reason, backend=self._remote.name)
        else:
            local = self._local_status
            why = f"using the local engine because {self._reason}"
            told = local.state in {"starting", "loading", "failed"} and local.message
            message = f"{local.message} ({why})" if told else why
            status = dataclasses.replace(local, message=message)
        self._on_status(status)


def new_backend(
    chosen: BackendSettings,
    make_local: MakeLocal,
    on_status: Callable[[Status], None],
    tell: Callable[[str], None],
) -> tuple[Backend, EngineClient]:
    """Return who completes, and the local engine, which all else is asked of."""
    if chosen.kind == "midspan":
        local = make_local(on_status)
        return local, local
    # httpx takes a tenth of a second to load.
    from midspan_server.backends.http_backend import HttpBackend  # noqa: PLC0415

    if not (chosen.is_loopback or chosen.address.startswith("https:")):
        tell(f"{chosen.host} is asked over plain HTTP: your code travels for everybody to read")
    try:
        remote = HttpBackend(chosen)
    except (ImportError, ValueError) as error:
        _log.warning("httpx refuses the environment's proxy settings: %s", type(error).__name__)
        tell("the environment names a proxy that cannot be used; using the local engine")
        local = make_local(on_status)
        return local, local
    backend = RemoteFirst(
        remote, make_local, fallback=chosen.fallback, on_status=on_status, tell=tell
    )
    return backend, backend.local
