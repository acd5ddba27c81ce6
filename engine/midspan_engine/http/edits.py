"""`/v1/edit/completions`: Mercury's next edits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
from starlette.responses import Response

from midspan_engine.http.answers import (
    ChatChoice,
    ChatChunk,
    ChatChunkChoice,
    ChatMessage,
    Delta,
    Edit,
    EditExtras,
    Usage,
)
from midspan_engine.http.bodies import EditBody, Extras
from midspan_engine.http.errors import ApiError
from midspan_engine.http.exchange import DONE, event, now, read_body, while_connected
from midspan_engine.http.languages import language_of
from midspan_engine.http.mercury_prompt import parse_mercury
from midspan_engine.http.service import caller_of
from midspan_engine.protocol import DecodeStats, Edited, EditRequest

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

    from midspan_engine.http.mercury_prompt import MercuryPrompt
    from midspan_engine.http.service import Service
    from midspan_engine.protocol import EditFinish

NO_EDIT = "None"
_NO_EXTRAS = Extras()
_TOKENS = 320
_LONGEST_TOKEN = 16
"""Characters that no stretch of real text exceeds per token."""
_SPARE = 8
"""Tokens by which lines counted one by one may differ from the lines together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Narrowed:
    """As much of a region around the cursor as the engine takes, whole lines.

    Attributes:
        head: Lines of the region that join what stands before it.
        region: What is to be rewritten.
        tail: Lines that join what stands after it.
    """

    head: str
    region: str
    tail: str


class Edits:
    """The route."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def mercury(self, request: Request) -> Response:
        """`POST /v1/edit/completions`."""
        body = await read_body(request, EditBody, self._service.limits.body_bytes)
        message = next((m for m in reversed(body.messages) if m.role == "user"), None)
        prompt = parse_mercury(message.text) if message else None
        if prompt is None:
            raise ApiError(
                400,
                "the user's message must hold a region between <|code_to_edit|> and "
                "<|/code_to_edit|>",
                param="messages",
            )
        is_blank = not prompt.region.strip()
        narrowed = None if is_blank else self._narrow(prompt)
        wish = self._wish(body, prompt, narrowed) if narrowed else None
        if wish:
            caller = caller_of(request, body.user, "edit")
            edited = await while_connected(request, self._service.edit(wish, caller))
        else:
            finish: EditFinish = "no_edit" if is_blank else "length"
            edited = Edited(id=0, document_version=0, finish=finish, stats=DecodeStats())
        content = _content(edited, prompt, narrowed)
        too_long = not (wish or is_blank)
        warning = "the line of the cursor is too long to be rewritten" if too_long else None
        answer = self._answer(content, edited, warning)
        return _streamed(answer) if body.stream else _whole(answer)

    def _narrow(self, prompt: MercuryPrompt) -> Narrowed | None:
        engine = self._service.engine()
        if engine is None:
            raise ApiError.rejected("not_ready", "the engine is loading")
        if engine.rewriting is None:
            raise ApiError.rejected("failed", "the loaded model does not rewrite regions")
        tokenizer, most = engine.tokenizer, engine.rewriting.window.region - _SPARE

        def count(line: str) -> int:
            """Tokens of a line; of a huge one only that they are too many."""
            return len(tokenizer.encode(line[: _LONGEST_TOKEN * (most + 1)]))

        return narrow(prompt, count, most)

    def _wish(self, body: EditBody, prompt: MercuryPrompt, narrowed: Narrowed) -> EditRequest:
        extras = body.midspan or _NO_EXTRAS
        path = prompt.path or extras.path
        most = body.max_tokens if body.max_tokens and body.max_tokens > 0 else _TOKENS
        return EditRequest(
            id=0,
            session="",
            language=extras.language or language_of(path),
            path=path[-1024:],
            history=prompt.history,
            before=prompt.before + narrowed.head,
            region=narrowed.region,
            after=narrowed.tail + prompt.after,
            max_tokens=self._service.tokens(most, _TOKENS),
            effort=extras.effort or self._service.effort,
            budget_ms=extras.budget_ms,
        )

    def _answer(self, content: str, edited: Edited, warning: str | None) -> Edit:
        choice = ChatChoice(index=0, message=ChatMessage(content=content), finish_reason="stop")
        return Edit(
            id=self._service.identify("edit"),
            created=now(),
            model=self._service.model,
            choices=(choice,),
            usage=Usage.of(edited.stats),
            warning=warning,
            midspan=EditExtras(
                finish=edited.finish,
                edit_probability=edited.edit_probability,
                mean_logprob=edited.mean_logprob,
                lowest_logprob=edited.lowest_logprob,
                stats=edited.stats,
            ),
        )


def narrow(prompt: MercuryPrompt, count: Callable[[str], int], most: int) -> Narrowed | None:
    """Lines around the cursor with at most `most` tokens; None if its own line has more.

    Mercury takes regions that are longer than this engine was trained for. What is cut off is
    context then, and comes back as it was.
    """
    text = prompt.region if prompt.region.endswith("\n") else prompt.region + "\n"
    # Not `splitlines`, for which a form feed ends a line too.
    lines = [line + "\n" for line in text.removesuffix("\n").split("\n")]
    cursor = text.count("\n", 0, prompt.cursor or 0)
    first = last = min(cursor, len(lines) - 1)
    room = most - count(lines[first])
    if room < 0:
        return None
    grew = True
    while grew:
        grew = False
        # What follows the cursor is more likely to change than what stands before it.
        for step in (1, 1, -1):
            place = last + 1 if step > 0 else first - 1
            cost = count(lines[place]) if 0 <= place < len(lines) else room + 1
            if cost <= room:
                room -= cost
                last, first = (place, first) if step > 0 else (last, place)
                grew = True
    return Narrowed(
        head="".join(lines[:first]),
        region="".join(lines[first : last + 1]),
        tail="".join(lines[last + 1 :]),
    )


def _content(edited: Edited, prompt: MercuryPrompt, narrowed: Narrowed | None) -> str:
    """The whole region as it should be, between fences as Mercury's clients expect, or `None`."""
    if edited.finish != "edit" or narrowed is None:
        return NO_EDIT
    text = narrowed.head + edited.text + narrowed.tail
    if not prompt.region.endswith("\n"):
        text = text.removesuffix("\n")
    return f"```\n{text}\n```"


def _whole(answer: Edit) -> Response:
    return Response(msgspec.json.encode(answer), media_type="application/json")


def _streamed(answer: Edit) -> Response:
    """In one piece: half an edit is none. Continue asks for a stream, and has no other way."""
    choice = ChatChunkChoice(
        index=0,
        delta=Delta(role="assistant", content=answer.choices[0].message.content),
        finish_reason="stop",
    )
    chunk = ChatChunk(
        id=answer.id,
        created=answer.created,
        model=answer.model,
        choices=(choice,),
        usage=answer.usage,
    )
    return Response(event(chunk) + DONE, media_type="text/event-stream")
