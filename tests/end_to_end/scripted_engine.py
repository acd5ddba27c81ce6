"""An engine that answers what it is told to: the real protocol on a real socket, without a model.

Run as a program it answers at once with the text in its first argument, until it is killed.
"""

from __future__ import annotations

import asyncio
import os
import sys
from typing import TYPE_CHECKING

from midspan_engine.protocol import (
    PROTOCOL_VERSION,
    Cancel,
    Choice,
    Edited,
    EditRequest,
    EngineMessage,
    EngineStatus,
    Failure,
    Hello,
    Infill,
    InfillRequest,
    LikelihoodRequest,
    Likelihoods,
    Partial,
    StatusQuery,
    Welcome,
    decode_client,
    encode,
    frame_length,
    socket_path,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_PATIENCE_S = 20.0


class ScriptedEngine:
    """Keeps requests until they are answered, or answers by `reply` if that is set.

    Regions stay as they are unless `rewrite` says otherwise; where it says None they are kept too.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.requests: list[InfillRequest] = []
        self.edits: list[EditRequest] = []
        self.measured: list[LikelihoodRequest] = []
        self.cancelled: list[int] = []
        self.connections = 0
        self.status = EngineStatus(state="ready", model="scripted")
        self.protocol = PROTOCOL_VERSION
        self.reply: Callable[[InfillRequest], str | None] | None = None
        self.rewrite: Callable[[EditRequest], str | None] = lambda request: request.region
        self.confidence = 0.9
        self._writers: list[asyncio.StreamWriter] = []
        self._server: asyncio.Server | None = None
        self._news = asyncio.Condition()

    async def start(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._server = await asyncio.start_unix_server(self._serve, str(self.path))

    async def stop(self) -> None:
        """Go away as a crash would: no farewell, and nobody listens any more."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in self._writers:
            writer.close()
        self._writers.clear()
        self.path.unlink(missing_ok=True)

    async def request(self, number: int = 0) -> InfillRequest:
        """Return request `number` (counted from 0) once it has come."""
        await self._until(lambda: len(self.requests) > number)
        return self.requests[number]

    async def edit_request(self, number: int = 0) -> EditRequest:
        """Return edit request `number` (counted from 0) once it has come."""
        await self._until(lambda: len(self.edits) > number)
        return self.edits[number]

    async def cancellation(self, number: int = 0) -> int:
        """Return the id of cancellation `number` once it has come."""
        await self._until(lambda: len(self.cancelled) > number)
        return self.cancelled[number]

    async def connected(self, number: int = 1) -> None:
        await self._until(lambda: self.connections >= number)

    def answer(self, request: InfillRequest, *texts: str, confidence: float | None = None) -> None:
        sure = self.confidence if confidence is None else confidence
        self.send(
            Infill(
                id=request.id,
                document_version=request.document_version,
                choices=tuple(
                    Choice(text=text, finish="line", confidence=sure, mean_logprob=-0.1)
                    for text in texts
                ),
            )
        )

    def answer_edit(self, request: EditRequest, text: str, *, logprob: float = -0.05) -> None:
        changes = text != request.region
        self.send(
            Edited(
                id=request.id,
                document_version=request.document_version,
                finish="edit" if changes else "no_edit",
                text=text if changes else "",
                edit_probability=self.confidence if changes else 1 - self.confidence,
                mean_logprob=logprob if changes else 0.0,
                lowest_logprob=logprob if changes else 0.0,
            )
        )

    @staticmethod
    def _nothing_lost(request: LikelihoodRequest) -> Likelihoods:
        return Likelihoods(
            id=request.id,
            document_version=request.document_version,
            finish="done",
            losses=tuple((0.0,) * one.text.count("\n") for one in request.passages),
        )

    def commit(self, request: InfillRequest, text: str) -> None:
        self.send(Partial(id=request.id, text=text))

    def refuse(self, request: InfillRequest, failure: Failure) -> None:
        self.send(Failure(id=request.id, code=failure.code, message=failure.message))

    def be(self, status: EngineStatus) -> None:
        self.status = status
        self.send(status)

    def send(self, message: EngineMessage) -> None:
        for writer in self._writers:
            writer.write(encode(message))

    async def _until(self, arrived: Callable[[], bool]) -> None:
        async with self._news:
            await asyncio.wait_for(self._news.wait_for(arrived), _PATIENCE_S)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                header = await reader.readexactly(4)
                message = decode_client(await reader.readexactly(frame_length(header)))
                await self._handle(message, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def _handle(self, message: object, writer: asyncio.StreamWriter) -> None:
        match message:
            case Hello():
                writer.write(encode(Welcome(protocol=self.protocol, engine="scripted")))
                self._writers.append(writer)
                self.connections += 1
            case StatusQuery():
                writer.write(encode(self.status))
            case Cancel(id=number):
                self.cancelled.append(number)
                edits = {request.id for request in self.edits}
                ended = (
                    Edited(id=number, document_version=0, finish="cancelled")
                    if number in edits
                    else Infill(id=number, document_version=0)
                )
                writer.write(encode(ended))
            case InfillRequest():
                self.requests.append(message)
                if self.reply is not None and (text := self.reply(message)) is not None:
                    self.answer(message, *[text] * message.n)
            case EditRequest():
                self.edits.append(message)
                if (text := self.rewrite(message)) is not None:
                    self.answer_edit(message, text)
            case LikelihoodRequest():
                self.measured.append(message)
                self.send(self._nothing_lost(message))
        async with self._news:
            self._news.notify_all()


async def _main(text: str) -> None:
    path = socket_path()
    path.unlink(missing_ok=True)
    engine = ScriptedEngine(path)
    engine.reply = lambda _: text
    await engine.start()
    print(f"listening, process {os.getpid()}", file=sys.stderr, flush=True)  # noqa: T201
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1]))
