"""The thread that owns the engine. Loading, passes and cancels all happen on it."""

from __future__ import annotations

import logging
import queue
import threading
import time
from typing import TYPE_CHECKING

from midspan_engine.protocol import EngineStatus, MidspanError, RequestRejected

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from midspan_engine.engine import Engine, Request
    from midspan_engine.turns import Reply

    Progress = Callable[[float, str], None]
    Load = Callable[[Progress], Engine]
    OnStatus = Callable[[EngineStatus], None]

_logger = logging.getLogger(__name__)
_MOST_UNLOADED = 32


class LoadAbandoned(MidspanError):  # noqa: N818  named for what happened
    """The engine was told to stop before it was ready."""


class EngineWorker:
    """Runs an engine on its own thread.

    Args:
        load: Makes the engine; called on the thread with a progress callback.
        on_status: Called on the thread whenever the state changes.
        model: Name to report.
    """

    def __init__(self, load: Load, on_status: OnStatus, model: str) -> None:
        self.status = EngineStatus(state="loading", message="starting", model=model)
        self.failure: BaseException | None = None
        self._load = load
        self._on_status = on_status
        self._model = model
        self._commands: queue.SimpleQueue[Callable[[Engine], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self._engine: Engine | None = None
        self._queueing = threading.Lock()
        self._stopping = threading.Event()

    def start(self) -> None:
        """Begin loading."""
        self._thread.start()

    def submit(self, key: Hashable, request: Request, reply: Reply) -> None:
        """Queue a request; `reply` is called on the engine thread."""
        arrived = time.perf_counter()
        with self._queueing:
            if self.status.state == "failed":
                refusal = RequestRejected("not_ready", self.status.message)
            elif self._engine is None and self._commands.qsize() >= _MOST_UNLOADED:
                refusal = RequestRejected(
                    "queue_full", "the engine is still loading; try again shortly"
                )
            else:
                self._commands.put(lambda e: e.submit(key, request, reply, arrived=arrived))
                return
        reply(refusal)

    def cancel(self, key: Hashable) -> None:
        """End a request; it acts between two passes."""
        self._commands.put(lambda engine: engine.cancel(key))

    def cancel_all(self, client: int) -> None:
        """End all requests whose key begins with `client`."""
        self._commands.put(lambda engine: engine.cancel_client(client))

    def stop(self, patience_s: float) -> bool:
        """Finish what is running, then end the thread. False when that took too long."""
        self._stopping.set()
        self._commands.put(None)
        self._thread.join(patience_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            engine = self._load(self._progress)
        except MidspanError as error:
            _logger.error("the model could not be loaded: %s", error)  # noqa: TRY400  said in full
            self._fail(str(error))
            return
        except BaseException as error:  # whatever it was, whoever waits must hear of it
            _logger.exception("the model could not be loaded")
            self._fail(f"the model could not be loaded: {type(error).__name__}: {error}")
            return
        if self._stopping.is_set():
            return
        self._engine = engine
        if engine.standby:
            engine.standby.on_end = lambda: self._commands.put(lambda _engine: None)
        self._report(
            EngineStatus(
                state="ready",
                progress=1.0,
                model=engine.model or self._model,
                message=engine.note,
                runtime=engine.runtime.name,
            )
        )
        try:
            self._serve(engine)
        except BaseException as error:
            self.failure = error
            self._report(EngineStatus(state="failed", message=str(error), model=self._model))
            raise

    def _serve(self, engine: Engine) -> None:
        stopping = False
        while True:
            busy = engine.step()
            if stopping and not busy:
                engine.refuse_held("the engine is stopping")
                return
            while not (self._commands.empty() and (busy or stopping)):
                command = self._commands.get()
                busy = True
                if command is None:
                    stopping = True
                else:
                    command(engine)

    def _fail(self, message: str) -> None:
        """Report the failure and answer what came while loading; `submit` refuses the rest."""
        with self._queueing:
            self._report(EngineStatus(state="failed", message=message, model=self._model))
            refusing = _Refusing(message)
            while not self._commands.empty():
                command = self._commands.get()
                if command is not None:
                    command(refusing)  # type: ignore[arg-type]

    def _progress(self, share: float, message: str) -> None:
        if self._stopping.is_set():
            raise LoadAbandoned("the engine was told to stop while it was loading")
        self._report(
            EngineStatus(state="loading", progress=share, message=message, model=self._model)
        )

    def _report(self, status: EngineStatus) -> None:
        self.status = status
        self._on_status(status)


class _Refusing:
    """Stands for an engine that never came up."""

    def __init__(self, message: str) -> None:
        self._message = message

    def submit(self, _key: Hashable, _request: Request, reply: Reply, *, arrived: float) -> None:
        del arrived
        reply(RequestRejected("not_ready", self._message))

    def cancel(self, _key: Hashable) -> None:
        """Nothing is running."""

    def cancel_client(self, _client: int) -> None:
        """Nothing is running."""
