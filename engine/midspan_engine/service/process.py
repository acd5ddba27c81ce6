"""Starts the resident process: one engine for each user and socket."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import stat
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from midspan_engine import weights
from midspan_engine.adapters import Adapters
from midspan_engine.canvas.fitted import read_fitted
from midspan_engine.canvas.settings import CanvasConfig
from midspan_engine.canvas.solver import CanvasSolver
from midspan_engine.engine import Engine
from midspan_engine.models.config import TransformerConfig
from midspan_engine.models.family import read_family
from midspan_engine.protocol import MidspanError
from midspan_engine.runtime import RowGroup, create_canvas_runtime, create_runtime
from midspan_engine.runtime.blocks import CachedSequence
from midspan_engine.runtime.quantised import Merge
from midspan_engine.runtime.standby import Standby
from midspan_engine.service.server import EngineServer
from midspan_engine.service.worker import EngineWorker
from midspan_engine.tokenizer import Tokenizer
from midspan_engine.weights.embedded import EMBEDDED_MODEL

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from midspan_engine.models.family import ModelFamily
    from midspan_engine.protocol import EngineStatus
    from midspan_engine.runtime import Runtime, RuntimeName

_logger = logging.getLogger(__name__)
_WARM_ROWS = 16
_ACTIVE_ON_CPU = 3
"""Eight people who type get twice as much from two cores as when all run at once."""
_ACTIVE_ON_GPU = 32
"""Its passes hardly cost more with more requests in them; not measured."""
_SHARE_OF_EDITS = 2
"""What next edits get beside it: half of the context cache of completions."""


class SocketUnsafe(MidspanError):  # noqa: N818  named for what is wrong
    """The socket's folder belongs to somebody else or others may write to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineConfig:
    """How the resident process runs.

    Attributes:
        model: Name or path of the model.
        socket: Where to listen.
        use_embedded: Where the default model is not here, run the small one that the package has.
        runtime: See `runtime.create_runtime`.
        infill: Infilling adapter: a path, "auto" for the one that ships for these weights, "none".
        adapter: Diffusion adapter, likewise.
        edits: Adapter for next edits, likewise; its weights are loaded with the first request.
        cache_bytes: Size of the context cache.
        threads: 0 for one for each physical core.
        idle_s: Leave after so long without a request; 0 for never.
    """

    model: str
    socket: Path
    use_embedded: bool = False
    runtime: RuntimeName = "auto"
    infill: str = "auto"
    adapter: str = "none"
    edits: str = "auto"
    cache_bytes: int = 256 * 1024 * 1024
    threads: int = 0
    idle_s: float = 1800.0


def load_engine(config: EngineConfig, progress: Callable[[float, str], None]) -> Engine:
    """Open the model and make the engine; ready to serve when this returns.

    Raises:
        WeightsMissing: the model is not here.
        RuntimeMissing: its runtime is not installed.
        ModelConfigError: the folder does not hold a model that we run.
        AdapterError: the adapter is damaged or belongs to other weights.
    """
    progress(0.0, "opening the model")
    files, note = _files(config)
    family = read_family(files.folder)
    if family.decoding != "causal":
        return _canvas_engine(config, files, family, note, progress)
    adapters = Adapters.choose(
        files.sha256, infill=config.infill, mask=config.adapter, edits=config.edits
    )
    merge = Merge.of(adapters, for_edits=True)
    if merge:
        merge.read(TransformerConfig.from_folder(files.folder))  # a bad one is refused now, by name
    create = partial(
        create_runtime,
        files.folder,
        name=config.runtime,
        threads=config.threads,
        adapters=adapters,
    )
    runtime = create(cache_bytes=config.cache_bytes, progress=progress)
    progress(0.8, "warming up")
    share = config.cache_bytes // _SHARE_OF_EDITS
    edits = partial(create, cache_bytes=share, for_edits=True)
    standby = Standby(lambda: warmed_up(edits()), "the weights for next edits")
    engine = Engine(
        runtime,
        Tokenizer.load(files),
        standby=standby if adapters.edits else None,
        most_active=_most_active(runtime.name),
    )
    engine.warm_up()
    return engine


def _files(config: EngineConfig) -> tuple[weights.ModelFiles, str]:
    """The model, and what its user should know about it."""
    try:
        return weights.resolve(config.model), ""
    except weights.WeightsMissing:
        if config.model != weights.DEFAULT_MODEL or not config.use_embedded:
            raise
    note = (
        f"{weights.DEFAULT_MODEL} is not on this machine, so {EMBEDDED_MODEL} answers, a "
        "small model that knows little; for better suggestions run: midspan pull"
    )
    return weights.resolve(EMBEDDED_MODEL), note


def _canvas_engine(
    config: EngineConfig,
    files: weights.ModelFiles,
    family: ModelFamily,
    note: str,
    progress: Callable[[float, str], None],
) -> Engine:
    runtime = create_canvas_runtime(
        files.folder, family, name=config.runtime, threads=config.threads, progress=progress
    )
    fitted = read_fitted(files.folder)
    tokenizer = Tokenizer.load(files, fills=False)
    grows = family.marks is not None and family.marks.expand is not None
    decoding = CanvasConfig(masks=fitted.masks, length="expand" if grows else "cascade")
    solver = CanvasSolver(runtime, tokenizer, fitted.calibration, decoding, fitted.usual)
    engine = Engine(
        runtime,
        tokenizer,
        solver=solver,
        most_active=_most_active(runtime.name),
        model=files.name if note else "",
        note=note,
    )
    progress(0.8, "warming up")
    engine.warm_up()
    return engine


def _most_active(runtime: str) -> int:
    return _ACTIVE_ON_GPU if "cuda" in runtime else _ACTIVE_ON_CPU


def warmed_up(runtime: Runtime) -> Runtime:
    """The runtime after a pass of some rows, without the memory that only loading needed."""
    sequence = CachedSequence()
    runtime.pool.reserve(sequence, _WARM_ROWS + 1)
    runtime.forward([RowGroup.causal(sequence, 0, [0] * _WARM_ROWS, [0])])
    runtime.pool.release(sequence)
    runtime.settle()
    return runtime


def serve(config: EngineConfig) -> int:
    """Run the resident process until it is told to stop or idle; the exit code.

    A second process for the same socket leaves at once with 0: the first one serves.

    Raises:
        SocketUnsafe: the socket's folder cannot be trusted.
        OSError: the socket cannot be made.
    """
    prepare_folder(config.socket.parent)
    lock = FileLock(f"{config.socket}.lock")
    try:
        with lock.acquire(timeout=0):
            with bind_socket(config.socket) as bound:
                asyncio.run(_serve(config, bound))
            config.socket.unlink(missing_ok=True)
    except Timeout:
        _logger.info("an engine already serves %s", config.socket)
    return 0


def bind_socket(path: Path) -> socket.socket:
    """A Unix socket that only this user can open, from its first moment on."""
    path.unlink(missing_ok=True)
    bound = socket.socket(socket.AF_UNIX)
    before = os.umask(0o177)
    try:
        bound.bind(str(path))
    finally:
        os.umask(before)
    return bound


async def _serve(config: EngineConfig, bound: socket.socket) -> None:
    def worker_of(on_status: Callable[[EngineStatus], None]) -> EngineWorker:
        return EngineWorker(lambda progress: load_engine(config, progress), on_status, config.model)

    server = EngineServer(worker_of, idle_s=config.idle_s)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, server.stop)
    await server.run(bound)


def prepare_folder(folder: Path) -> None:
    """Make the folder of a socket, or see that the one that is there can be trusted.

    Raises:
        SocketUnsafe: it cannot.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = folder.stat()
    if status.st_uid != os.getuid() or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise SocketUnsafe(
            f"{folder} must belong to you and be writeable by nobody else; "
            f"run: chmod 700 {folder}, or set MIDSPAN_SOCKET to another place"
        )
