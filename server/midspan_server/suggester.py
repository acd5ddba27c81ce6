"""`Suggester`: from a cursor to suggestions, by switches, cache, running request, engine."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import os
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from midspan_server import snippets, syntax
from midspan_server.context import ContextSettings, OpenDocument, build_request
from midspan_server.history import EditHistory
from midspan_server.postprocess import Place, postprocess
from midspan_server.scheduling import Scheduler, Want
from midspan_server.suggestion_cache import Suggestion, SuggestionCache
from midspan_server.trigger import NotHere, ScopeDecision, TriggerSettings, decide

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from midspan_engine.protocol import Choice, Infill, InfillRequest
    from midspan_server.counters import Source
    from midspan_server.engine_client import Engine
    from midspan_server.reading import ReadingRules
    from midspan_server.settings import Settings
    from midspan_server.snapshot import DocumentSnapshot

_MOST_OPEN_DOCUMENTS = 20
_RECENT_EDITS = 8

_Answer = tuple[Suggestion, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggested:
    """What there is to offer, best first, and who had it; `reason` says why nothing may be.

    A `passing` reason is gone with the next keystroke.
    """

    suggestions: _Answer = ()
    source: Source = "cache"
    reason: str | None = None
    passing: bool = False


class Suggester:
    """Holds what lives as long as the editor: cache, scheduler, edit history."""

    def __init__(
        self,
        *,
        engine: Callable[[], Engine],
        open_documents: Callable[[], Iterable[tuple[DocumentSnapshot, float]]],
        reading: ReadingRules,
        settings: Settings,
    ) -> None:
        self._engine = engine
        self._open_documents = open_documents
        self._reading = reading
        self._cache = SuggestionCache()
        self._scheduler: Scheduler[_Answer | None] = Scheduler()
        self._history = EditHistory()
        self._numbers = itertools.count(1)
        self._settings = settings
        self.use(settings)

    def use(self, settings: Settings) -> None:
        """Take new settings; suggestions made under the old ones are forgotten."""
        if not settings.enabled or settings.languages != self._settings.languages:
            # Edits of what is off now are not to be used any more.
            self._history = EditHistory()
        self._settings = settings
        self._trigger = TriggerSettings(
            languages=settings.languages,
            disabled_globs=settings.exclude,
            comments=settings.comments,
            strings=settings.strings,
            max_line_tokens=settings.max_line_tokens,
            max_block_tokens=settings.max_block_tokens,
        )
        self._context = ContextSettings(**msgspec.structs.asdict(settings.context))
        self._cache.clear()

    @property
    def history(self) -> EditHistory:
        """What the user changed lately, in files that may be read."""
        return self._history

    def changed(self, before: DocumentSnapshot, after: DocumentSnapshot) -> None:
        """Note an edit, unless it is in a file that is not to be read."""
        if self.may_read(after):
            self._history.record(before, after, time.monotonic())

    def opened(self, snapshot: DocumentSnapshot) -> None:
        """Parse and index now: from here on each keystroke costs a small part of it."""
        if self.may_read(snapshot):
            syntax.parse(snapshot)
            if self._settings.context.snippets:
                snippets.index(snapshot)

    def may_read(self, snapshot: DocumentSnapshot) -> bool:
        """Whether the settings and the ignore rules let this document be read."""
        is_on = self._settings.enabled_for(snapshot.language)
        return is_on and self._reading.allows(snapshot.path, snapshot.uri)

    def closed(self, uri: str) -> None:
        """Drop what belongs to a closed document."""
        self._scheduler.forget(uri)
        syntax.forget(uri)
        snippets.forget(uri)

    async def suggest(self, want: Want) -> Suggested:
        """Return suggestions for `want`; none when it was overtaken by a newer one.

        Raises:
            EngineUnavailable: there is no engine.
            RequestRejected: the engine refused the request.
        """
        self._scheduler.announce(want)
        scope = self._decide(want)
        if isinstance(scope, NotHere):
            return Suggested(reason=scope.reason, passing=scope.passing)
        known = self._from_cache(want, scope)
        if known is None and await self._scheduler.joined(want):
            known = self._from_cache(want, scope)
        if known is not None:
            return Suggested(suggestions=self._worth_showing(known, want))
        if not await self._scheduler.pause(want, self._settings.debounce_ms):
            return Suggested()
        made = await self._scheduler.run(want, lambda partial: self._ask(want, scope, partial))
        return Suggested(suggestions=self._worth_showing(made or (), want), source="engine")

    def _decide(self, want: Want) -> ScopeDecision | NotHere:
        if not self._settings.enabled:
            return NotHere(reason="suggestions are off")
        path = want.snapshot.path
        if not self._reading.allows(path, want.snapshot.uri):
            name = path.name if path else "this document"
            return NotHere(reason=f"{name} is never read (ignored or secret)")
        return decide(want.snapshot, want.offset, self._trigger, automatic=not want.invoked)

    def _from_cache(self, want: Want, scope: ScopeDecision) -> _Answer | None:
        hit = self._cache.get(want.snapshot, want.offset, invoked=want.invoked)
        if hit is None:
            return None
        if not hit.closers:
            return hit.suggestions
        return self._cleaned(hit.suggestions, want, scope)

    def _worth_showing(self, suggestions: _Answer, want: Want) -> _Answer:
        if want.invoked:
            return suggestions
        threshold = self._settings.threshold
        return tuple(one for one in suggestions if one.confidence >= threshold)[:1]

    async def _ask(
        self, want: Want, scope: ScopeDecision, on_partial: Callable[[str], None]
    ) -> _Answer | None:
        answer = await self._engine().infill(self._request(want, scope), on_partial)
        if answer is None:
            return None
        suggestions = self._cleaned(self._named(answer, want, scope), want, scope)
        # With more time the answer would be another one.
        if not any(choice.finish == "budget" for choice in answer.choices):
            self._cache.put(want.snapshot, want.offset, suggestions, invoked=want.invoked)
        return suggestions

    def _request(self, want: Want, scope: ScopeDecision) -> InfillRequest:
        edits = self._history.recent(_RECENT_EDITS) if self._settings.context.recent_edits else ()
        request = build_request(
            want.snapshot,
            want.offset,
            request_id=next(self._numbers),
            session=_session(want.snapshot.uri),
            open_documents=self._readable(),
            edits=[edit for edit in edits if self._reading.allows(edit.path, edit.uri)],
            settings=self._context,
            scope=scope,
            selected_text=None,
        )
        changes: dict[str, Any] = {
            "effort": self._settings.effort,
            "steps": self._settings.steps,
            "budget_ms": self._settings.budget_ms,
            "forbid": self._settings.forbid,
            "n": self._settings.alternatives if want.invoked else 1,
            "stream": not want.invoked,
        }
        return msgspec.structs.replace(request, **changes)

    def _readable(self) -> list[OpenDocument]:
        if not self._settings.context.snippets:
            return []
        recent = itertools.islice(self._open_documents(), _MOST_OPEN_DOCUMENTS)
        return [
            OpenDocument(snapshot=snapshot, last_used=last_used)
            for snapshot, last_used in recent
            if self.may_read(snapshot)
        ]

    @staticmethod
    def _named(answer: Infill, want: Want, scope: ScopeDecision) -> _Answer:
        return tuple(
            Suggestion(
                id=f"{os.getpid():x}-{answer.id:x}-{index}",
                text=text,
                confidence=choice.confidence,
                stats=answer.stats,
            )
            for index, choice in enumerate(answer.choices)
            if (text := _without_torn_end(choice, scope, invoked=want.invoked))
        )

    def _cleaned(self, suggestions: _Answer, want: Want, scope: ScopeDecision) -> _Answer:
        """Pass them through the filters; equal ones are kept once.

        Somebody else's model does not keep to what is forbidden.
        """
        place = Place(want.snapshot, want.offset, scope)
        kept: dict[str, Suggestion] = {}
        for suggestion in suggestions:
            text = postprocess(suggestion.text, place)
            if text and any(re.search(pattern, text) for pattern in self._settings.forbid):
                continue
            if text and text not in kept:
                plain = text.replace("\r\n", "\n")
                kept[text] = dataclasses.replace(suggestion, text=plain)
        return tuple(kept.values())


def _without_torn_end(choice: Choice, scope: ScopeDecision, *, invoked: bool) -> str:
    """Return what is whole of a choice that ended before its end: lines of a block, "" for none.

    A line that ran out of time is kept for a user who asked for it and looks at it.
    """
    if scope.scope == "block" and choice.finish in {"length", "budget"}:
        return choice.text.rpartition("\n")[0]
    return "" if choice.finish == "budget" and not invoked else choice.text


def _session(uri: str) -> str:
    """Name one document of one editor; the engine has no use for the path itself."""
    return f"{os.getpid()}-{hashlib.blake2s(uri.encode(errors='replace')).hexdigest()[:16]}"
