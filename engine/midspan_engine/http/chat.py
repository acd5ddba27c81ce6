"""`/v1/chat/completions`, with Mercury's `diffusing`."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
from starlette.responses import Response

from midspan_engine.http.answers import (
    Chat,
    ChatChoice,
    ChatChunk,
    ChatChunkChoice,
    ChatMessage,
    ChoiceExtras,
    Delta,
    Usage,
    finish_reason,
)
from midspan_engine.http.bodies import ChatBody, Extras, stops
from midspan_engine.http.errors import ApiError
from midspan_engine.http.exchange import (
    DONE,
    event,
    now,
    read_body,
    stream_events,
    while_connected,
)
from midspan_engine.http.service import caller_of
from midspan_engine.http.text_stream import TextStream
from midspan_engine.protocol import Infill, Turn

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from starlette.requests import Request

    from midspan_engine.http.service import Service
    from midspan_engine.protocol import InfillRequest, Partial

_NO_EXTRAS = Extras()
MASK_SIGN = "\N{LIGHT SHADE}"
_ROLES = {"developer": "system", "function": "tool"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    """One body, ready for the engine."""

    wish: InfillRequest
    caller: str
    id: str
    created: int
    model: str
    diffusing: bool
    cells: bool
    include_usage: bool

    def chunk(self, *choices: ChatChunkChoice, usage: Usage | None = None) -> bytes:
        """One event."""
        return event(
            ChatChunk(
                id=self.id, created=self.created, model=self.model, choices=choices, usage=usage
            )
        )


class Chats:
    """The route."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def openai(self, request: Request) -> Response:
        """`POST /v1/chat/completions`."""
        body = await read_body(request, ChatBody, self._service.limits.body_bytes)
        _refuse(body)
        job = self._job(request, body)
        if body.stream:
            patience = self._service.limits.patience_s * 2
            return await stream_events(request, self._events(job), patience_s=patience)
        answer = await while_connected(request, self._service.infill(job.wish, job.caller))
        chat = Chat(
            id=job.id,
            created=job.created,
            model=job.model,
            choices=tuple(
                ChatChoice(
                    index=index,
                    message=ChatMessage(content=choice.text),
                    finish_reason=finish_reason(choice.finish),
                    midspan=ChoiceExtras.of(choice),
                )
                for index, choice in enumerate(answer.choices)
            ),
            usage=Usage.of(answer.stats),
            midspan=answer.stats,
        )
        return Response(msgspec.json.encode(chat), media_type="application/json")

    def _job(self, request: Request, body: ChatBody) -> _Job:
        service = self._service
        extras = body.midspan or _NO_EXTRAS
        diffusing = bool(body.diffusing and body.stream)
        limit = service.tokens(body.max_completion_tokens or body.max_tokens, service.limits.tokens)
        wish = msgspec.structs.replace(
            service.wish("", "", extras=extras, max_tokens=max(limit, 1)),
            chat=tuple(
                Turn(role=_ROLES.get(message.role, message.role), text=message.text)
                for message in body.messages
            ),
            n=body.n or 1,
            stop=stops(body.stop),
            stream=bool(body.stream),
            canvas=extras.canvas or diffusing,
        )
        if diffusing and extras.effort is None:
            wish = msgspec.structs.replace(wish, effort="draft")
        options = body.stream_options
        return _Job(
            wish=wish,
            caller=caller_of(request, body.user, "chat"),
            id=service.identify("chatcmpl"),
            created=now(),
            model=service.model,
            diffusing=diffusing,
            cells=extras.canvas,
            include_usage=bool(options and options.include_usage),
        )

    async def _events(self, job: _Job) -> AsyncGenerator[bytes, None]:
        growing = TextStream(job.wish.stop)
        step = 0
        opening = Delta(role="assistant", content="")
        async with contextlib.aclosing(self._service.ask_infill(job.wish, job.caller)) as answers:
            async for answer in answers:
                if step == 0:
                    yield job.chunk(ChatChunkChoice(index=0, delta=opening))
                step += 1
                if isinstance(answer, Infill):
                    for piece in _final(job, answer, growing):
                        yield piece
                    return
                partial = _partial(job, answer, growing, step)
                if partial:
                    yield partial


def _refuse(body: ChatBody) -> None:
    if body.logprobs:
        raise ApiError(400, "logprobs are not available", param="logprobs")
    if body.tools:
        raise ApiError(400, "tools are not available", param="tools")
    if body.response_format is not None and body.response_format.type != "text":
        raise ApiError(400, "only the format `text` is available", param="response_format")


def _partial(job: _Job, partial: Partial, growing: TextStream, step: int) -> bytes | None:
    if job.diffusing:
        text = "".join(MASK_SIGN if cell.state == "mask" else cell.text for cell in partial.cells)
    else:
        text = growing.more(partial.text)
    if not text and not job.cells:
        return None
    extras = ChoiceExtras(step=step, cells=partial.cells) if job.cells else None
    return job.chunk(ChatChunkChoice(index=0, delta=Delta(content=text), midspan=extras))


def _final(job: _Job, answer: Infill, growing: TextStream) -> list[bytes]:
    events = []
    for index, choice in enumerate(answer.choices):
        text = choice.text if index or job.diffusing else growing.rest(choice.text)
        whole = ChatChunkChoice(
            index=index,
            delta=Delta(content=text),
            finish_reason=finish_reason(choice.finish),
            midspan=ChoiceExtras.of(choice),
        )
        events.append(job.chunk(whole))
    if job.include_usage:
        events.append(job.chunk(usage=Usage.of(answer.stats)))
    return [*events, DONE]
