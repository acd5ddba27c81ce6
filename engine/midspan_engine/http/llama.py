"""`/infill`, as llama.cpp's server has it and llama.vim and llama.vscode use it."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Literal

import msgspec
from starlette.responses import Response

from midspan_engine.http.answers import LlamaInfill, Timings
from midspan_engine.http.bodies import Extras, LlamaInfillBody, stops
from midspan_engine.http.exchange import event, read_body, stream_events, while_connected
from midspan_engine.http.languages import language_of
from midspan_engine.http.service import caller_of
from midspan_engine.http.text_stream import TextStream
from midspan_engine.protocol import Choice, DecodeStats, Infill, Snippet

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from starlette.requests import Request

    from midspan_engine.http.service import Service
    from midspan_engine.protocol import InfillRequest

_NO_EXTRAS = Extras()
_StopType = Literal["none", "eos", "limit", "word"]
_STOP_TYPES: dict[str, _StopType] = {"length": "limit", "budget": "limit", "stop": "word"}


class LlamaInfills:
    """The route."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def infill(self, request: Request) -> Response:
        """`POST /infill`."""
        body = await read_body(request, LlamaInfillBody, self._service.limits.body_bytes)
        wish = self._wish(body)
        caller = caller_of(request, None, "infill")
        if body.stream:
            events = self._events(body, wish, caller)
            patience = self._service.limits.patience_s * 2
            return await stream_events(request, events, patience_s=patience)
        answer = await while_connected(request, self._answer(body, wish, caller))
        data = msgspec.to_builtins(_final(answer, body, self._service.model))
        if body.response_fields is not None:
            data = _fields(data, body.response_fields)
        return Response(msgspec.json.encode(data), media_type="application/json")

    def _wish(self, body: LlamaInfillBody) -> InfillRequest:
        extras = body.midspan or _NO_EXTRAS
        prefix = (body.input_prefix or "") + (body.prompt or "")
        # Such clients name other files only; they are most often in the same language.
        named = next(
            (chunk.filename for chunk in reversed(body.input_extra or ()) if chunk.filename), ""
        )
        chunks = tuple(
            Snippet(path=chunk.filename or "other", text=chunk.text)
            for chunk in body.input_extra or ()
            if chunk.text.strip()
        )
        limit = self._service.tokens(body.n_predict, self._service.limits.tokens)
        wish = self._service.wish(
            prefix, body.input_suffix or "", extras=extras, max_tokens=max(limit, 1)
        )
        return msgspec.structs.replace(
            wish,
            snippets=chunks + extras.snippets,
            language=wish.language or language_of(named),
            block_indent=extras.block_indent or body.n_indent,
            stop=stops(body.stop),
            stream=bool(body.stream) or body.t_max_predict_ms > 0,
        )

    async def _answer(self, body: LlamaInfillBody, wish: InfillRequest, caller: str) -> Infill:
        """The engine's answer, or what there is once `t_max_predict_ms` has gone by.

        As in llama.cpp the time counts from the first pass on; only a finished line that is not
        blank ends it.
        """
        began: float | None = None
        passes = 0
        asked = self._service.ask_infill(wish, caller, as_sent=body.seed is not None)
        async with contextlib.aclosing(asked) as answers:
            async for answer in answers:
                if isinstance(answer, Infill):
                    return answer
                began = began or time.monotonic()
                passes += 1
                spent_ms = (time.monotonic() - began) * 1e3
                lines = answer.text.rpartition("\n")[0]
                if spent_ms > body.t_max_predict_ms and lines.strip():
                    return self._cut_short(lines, passes, spent_ms)
        raise AssertionError("the last answer is an Infill")

    def _cut_short(self, lines: str, passes: int, spent_ms: float) -> Infill:
        engine = self._service.engine()
        tokens = len(engine.tokenizer.encode(lines)) if engine else 0
        stats = DecodeStats(passes=passes, tokens=tokens, decode_ms=spent_ms, total_ms=spent_ms)
        choice = Choice(text=lines, finish="budget", confidence=0.0, mean_logprob=0.0)
        return Infill(id=0, document_version=0, choices=(choice,), stats=stats)

    async def _events(
        self, body: LlamaInfillBody, wish: InfillRequest, caller: str
    ) -> AsyncGenerator[bytes, None]:
        growing = TextStream(wish.stop)
        asked = self._service.ask_infill(wish, caller, as_sent=body.seed is not None)
        async with contextlib.aclosing(asked) as answers:
            async for answer in answers:
                if isinstance(answer, Infill):
                    last = _final(answer, body, self._service.model)
                    yield event(msgspec.structs.replace(last, content=growing.rest(last.content)))
                    return
                text = growing.more(answer.text)
                if text and body.n_predict:
                    yield event(LlamaInfill(content=text, stop=False, stop_type="none"))


def _final(answer: Infill, body: LlamaInfillBody, model: str) -> LlamaInfill:
    choice, stats = answer.choices[0], answer.stats
    return LlamaInfill(
        # With 0 the client only wants its context encoded.
        content=choice.text if body.n_predict else "",
        model=model,
        tokens_predicted=stats.tokens,
        tokens_evaluated=stats.prompt_tokens,
        tokens_cached=stats.prompt_tokens + stats.tokens,
        stop_type=_STOP_TYPES.get(choice.finish, "eos"),
        timings=Timings.of(stats),
        midspan=stats,
    )


def _fields(data: dict[str, object], wanted: tuple[str, ...]) -> dict[str, object]:
    """Only these fields; one inside another is named, and answered, with a slash."""
    found: dict[str, object] = {}
    for name in wanted:
        value: object = data
        for part in name.split("/"):
            value = value.get(part) if isinstance(value, dict) else None
        if value is not None:
            found[name] = value
    return found
