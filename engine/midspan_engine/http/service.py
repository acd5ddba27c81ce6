"""What all routes share."""

from __future__ import annotations

import contextlib
import hashlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from midspan_engine.http.errors import ApiError
from midspan_engine.http.languages import language_in, language_of
from midspan_engine.limits import MOST_TOKENS
from midspan_engine.protocol import Edited, EditRequest, Infill, InfillRequest, Partial

if TYPE_CHECKING:
    import itertools
    from collections.abc import AsyncGenerator, Callable

    from starlette.requests import Request

    from midspan_engine.engine import Engine
    from midspan_engine.http.bodies import Extras
    from midspan_engine.http.bridge import EngineBridge
    from midspan_engine.http.metrics import Metrics
    from midspan_engine.http.picker import SessionPicker
    from midspan_engine.protocol import Effort


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one request may take.

    Attributes:
        body_bytes: Of its body.
        requests: At a time, of all clients.
        patience_s: Until it is answered.
        tokens: Of one answer; who asks for more gets so many.
    """

    body_bytes: int = 2 * 1024 * 1024
    requests: int = 24
    patience_s: float = 60.0
    tokens: int = MOST_TOKENS


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """The engine as the routes see it."""

    bridge: EngineBridge
    picker: SessionPicker
    metrics: Metrics
    limits: Limits
    engine: Callable[[], Engine | None]
    """The engine once it is loaded; of it, only what is safe on another thread may be used."""
    model: str
    effort: Effort = "verified"
    created: int = 0
    numbers: itertools.count[int]

    async def ask_infill(
        self, wish: InfillRequest, caller: str, *, as_sent: bool = False
    ) -> AsyncGenerator[Partial | Infill, None]:
        """Yield the engine's partial texts, if `wish` wants them, and its answer last.

        With `as_sent` the model reads nothing but what this request says.

        Raises:
            ApiError: refused, or no answer came.
        """
        turns = "".join(turn.text for turn in wish.chat)
        text = turns or "".join(snippet.text for snippet in wish.snippets) + wish.prefix
        self.bridge.admit()
        with self.picker.session(caller, text) as picked:
            # Behind snippets or turns there is no place for what slid out of the window.
            earlier = "" if as_sent or text != wish.prefix else picked.earlier
            language = wish.language or ("" if turns else language_in(wish.prefix, wish.suffix))
            request = msgspec.structs.replace(
                wish, session=picked.name, prefix=earlier + wish.prefix, language=language
            )
            async with contextlib.aclosing(self.bridge.answers(request)) as answers:
                async for answer in answers:
                    if isinstance(answer, Infill):
                        if not answer.choices:
                            raise ApiError.rejected("not_ready", "the engine ended the request")
                        self.metrics.decoded(answer.stats)
                    if not isinstance(answer, Edited):
                        yield answer

    async def infill(self, wish: InfillRequest, caller: str, *, as_sent: bool = False) -> Infill:
        """The engine's answer.

        Raises:
            ApiError: refused, or no answer came.
        """
        asked = self.ask_infill(wish, caller, as_sent=as_sent)
        async with contextlib.aclosing(asked) as answers:
            async for answer in answers:
                if isinstance(answer, Infill):
                    return answer
        raise ApiError(503, "no answer came")

    async def edit(self, wish: EditRequest, caller: str) -> Edited:
        """As `infill`, for a region."""
        self.bridge.admit()
        with self.picker.session(caller, wish.path + wish.before) as picked:
            request = msgspec.structs.replace(wish, session=picked.name)
            async with contextlib.aclosing(self.bridge.answers(request)) as answers:
                async for answer in answers:
                    if isinstance(answer, Edited):
                        self.metrics.decoded(answer.stats)
                        return answer
        raise ApiError(503, "no answer came")

    def tokens(self, wanted: int | None, default: int) -> int:
        """How many tokens to give: what was asked for, as far as the limit goes."""
        return min(default if wanted is None or wanted < 0 else wanted, self.limits.tokens)

    def wish(self, prefix: str, suffix: str, *, extras: Extras, max_tokens: int) -> InfillRequest:
        """A request to the engine, without its number and session."""
        language = extras.language or language_of(extras.path)
        return InfillRequest(
            id=0,
            session="",
            prefix=prefix,
            suffix=suffix,
            language=language,
            path=extras.path,
            draft=extras.draft,
            snippets=extras.snippets,
            scope=extras.scope,
            block_indent=extras.block_indent,
            max_tokens=self.tokens(max_tokens, max_tokens),
            effort=extras.effort or self.effort,
            steps=extras.steps,
            budget_ms=extras.budget_ms,
            canvas=extras.canvas,
            forbid=extras.forbid,
            require=extras.require,
        )

    def identify(self, kind: str) -> str:
        """A new id of an answer."""
        return f"{kind}-{next(self.numbers)}-{os.getpid():x}"


def caller_of(request: Request, user: str | None, kind: str) -> str:
    """Names who asks, for choosing a session: nobody finds the cache of another key or user."""
    key = request.headers.get("authorization", "") + request.headers.get("x-api-key", "")
    parts = (kind, user or "", hashlib.sha256(key.encode()).hexdigest() if key else "")
    return "\0".join(parts)
