"""`/v1/completions` and `/v1/fim/completions`: text between `prompt` and `suffix`."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
from starlette.responses import Response

from midspan_engine.http.answers import (
    ChoiceExtras,
    Completion,
    LogProbs,
    TextChoice,
    Usage,
    finish_reason,
    sum_stats,
)
from midspan_engine.http.bodies import CompletionBody, Extras, FimBody, stops
from midspan_engine.http.errors import ApiError
from midspan_engine.http.exchange import (
    DONE,
    event,
    now,
    read_body,
    stream_events,
    while_connected,
)
from midspan_engine.http.raw_prompt import split_raw
from midspan_engine.http.service import caller_of
from midspan_engine.http.text_stream import TextStream
from midspan_engine.protocol import Infill

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from starlette.requests import Request

    from midspan_engine.http.service import Service
    from midspan_engine.protocol import Choice, DecodeStats, InfillRequest, Partial

_OPENAI_TOKENS = 16
_MERCURY_TOKENS = 512
_NO_EXTRAS = Extras()
_NO_SUFFIX = "<|endoftext|>"
"""What Continue sends to Mercury where there is nothing behind the cursor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    """One body, ready for the engine."""

    wishes: tuple[InfillRequest, ...]
    caller: str
    id: str
    created: int
    model: str
    stream: bool
    as_sent: bool
    include_usage: bool
    logprobs: int | None

    def log_probs(self, place: int, choice: Choice) -> LogProbs | None:
        """Of an alternative for one of the prompts, if they are wanted."""
        if self.logprobs is None:
            return None
        offset = len(self.wishes[place].prefix)
        return LogProbs.of(choice, offset=offset, top=self.logprobs)

    def answer(
        self,
        choices: tuple[TextChoice, ...],
        usage: Usage | None = None,
        stats: DecodeStats | None = None,
    ) -> Completion:
        """In OpenAI's words."""
        return Completion(
            id=self.id,
            created=self.created,
            model=self.model,
            choices=choices,
            usage=usage,
            midspan=stats,
        )


class Completions:
    """Both routes."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def openai(self, request: Request) -> Response:
        """`POST /v1/completions`."""
        body = await read_body(request, CompletionBody, self._service.limits.body_bytes)
        _refuse(body)
        prompts = (body.prompt,) if isinstance(body.prompt, str) else body.prompt
        if body.stream and len(prompts) > 1:
            raise ApiError(400, "a stream takes one prompt", param="prompt")
        job = self._job(request, body, prompts, _OPENAI_TOKENS, n=body.n or 1)
        return await self._serve(request, job)

    async def fim(self, request: Request) -> Response:
        """`POST /v1/fim/completions`."""
        body = await read_body(request, FimBody, self._service.limits.body_bytes)
        job = self._job(request, body, (body.prompt,), _MERCURY_TOKENS, n=1)
        return await self._serve(request, job)

    def _job(
        self,
        request: Request,
        body: CompletionBody | FimBody,
        prompts: tuple[str, ...],
        default_tokens: int,
        *,
        n: int,
    ) -> _Job:
        service = self._service
        extras = body.midspan or _NO_EXTRAS
        limit = service.tokens(body.max_tokens, default_tokens)
        changes = {"n": n, "stop": stops(body.stop), "stream": bool(body.stream)}
        logprobs = body.logprobs if isinstance(body, CompletionBody) else None
        if logprobs is not None:
            changes["canvas"] = True
        wishes = []
        for prompt in prompts:
            prefix, suffix = _sides(prompt, body.suffix)
            wish = service.wish(prefix, suffix, extras=extras, max_tokens=limit)
            wishes.append(msgspec.structs.replace(wish, **changes))
        options = body.stream_options
        return _Job(
            wishes=tuple(wishes),
            caller=caller_of(request, body.user, "infill"),
            id=service.identify("cmpl"),
            created=now(),
            model=service.model,
            stream=bool(body.stream),
            as_sent=body.seed is not None,
            include_usage=bool(options and options.include_usage),
            logprobs=logprobs,
        )

    async def _serve(self, request: Request, job: _Job) -> Response:
        if job.stream:
            patience = self._service.limits.patience_s * 2
            return await stream_events(request, self._events(job), patience_s=patience)
        answers = await while_connected(request, self._all(job))
        choices = [
            _choice(place * job.wishes[0].n + index, answer, index, job.log_probs(place, choice))
            for place, answer in enumerate(answers)
            for index, choice in enumerate(answer.choices)
        ]
        stats = sum_stats([answer.stats for answer in answers])
        answer = job.answer(tuple(choices), Usage.of(stats), stats)
        return Response(msgspec.json.encode(answer), media_type="application/json")

    async def _all(self, job: _Job) -> list[Infill]:
        asking = (
            self._service.infill(wish, job.caller, as_sent=job.as_sent) for wish in job.wishes
        )
        tasks = [asyncio.ensure_future(asked) for asked in asking]
        try:
            return list(await asyncio.gather(*tasks))
        finally:
            for task in tasks:
                task.cancel()

    async def _events(self, job: _Job) -> AsyncGenerator[bytes, None]:
        wish = job.wishes[0]
        growing = TextStream(wish.stop)
        step = 0
        asked = self._service.ask_infill(wish, job.caller, as_sent=job.as_sent)
        async with contextlib.aclosing(asked) as answers:
            async for answer in answers:
                if isinstance(answer, Infill):
                    for piece in _final(job, answer, growing):
                        yield piece
                    return
                step += 1
                partial = _partial(job, wish, answer, growing, step)
                if partial:
                    yield partial


def _sides(prompt: str, suffix: str | None) -> tuple[str, str]:
    if suffix is None:
        return split_raw(prompt)
    return prompt, "" if suffix == _NO_SUFFIX else suffix


def _refuse(body: CompletionBody) -> None:
    """What would silently give something else than was asked for."""
    if body.logprobs is not None and body.stream:
        raise ApiError(400, "logprobs come with whole answers, not in a stream", param="logprobs")
    if body.echo:
        raise ApiError(400, "echo is not available: the answer has the new text only", param="echo")


def _choice(
    index: int, answer: Infill, place: int, log_probs: LogProbs | None = None
) -> TextChoice:
    choice = answer.choices[place]
    return TextChoice(
        index=index,
        text=choice.text,
        finish_reason=finish_reason(choice.finish),
        logprobs=log_probs,
        midspan=ChoiceExtras.of(choice),
    )


def _partial(
    job: _Job, wish: InfillRequest, partial: Partial, growing: TextStream, step: int
) -> bytes | None:
    # Another alternative may take the place of a line that turns out to be of no use.
    text = "" if wish.scope == "line" else growing.more(partial.text)
    if not text and not wish.canvas:
        return None
    extras = ChoiceExtras(step=step, cells=partial.cells) if wish.canvas else None
    return event(job.answer((TextChoice(index=0, text=text, finish_reason=None, midspan=extras),)))


def _final(job: _Job, answer: Infill, growing: TextStream) -> list[bytes]:
    """The rest of the first alternative, the others whole, and what it cost."""
    events = []
    for place in range(len(answer.choices)):
        choice = _choice(place, answer, place)
        if place == 0:
            choice = msgspec.structs.replace(choice, text=growing.rest(choice.text))
        last = place == len(answer.choices) - 1
        events.append(event(job.answer((choice,), stats=answer.stats if last else None)))
    if job.include_usage:
        events.append(event(job.answer((), Usage.of(answer.stats))))
    return [*events, DONE]
