"""`Flow`: what to offer next, and when to look for it.

In this order: what follows from the syntax; what the model said along with an edit that was taken;
what it says now. After an offer the edit behind it is looked for as if the offer were taken, so
that it waits already. Any change of a document that is not that edit ends the search.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from midspan_engine.protocol import RequestRejected
from midspan_server.next_edit.acceptance import THRESHOLDS
from midspan_server.next_edit.hunks import hunks
from midspan_server.next_edit.proposal import Found, in_reading_order
from midspan_server.next_edit.proposals import NextEdits, Offered
from midspan_server.next_edit.seeking import Scene, Seeker
from midspan_server.next_edit.shelf import Shelf
from midspan_server.next_edit.undone import brings_back, is_over

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from midspan_server.engine_client import Rewriter
    from midspan_server.next_edit.proposal import Proposal
    from midspan_server.settings import NextEditSettings
    from midspan_server.snapshot import DocumentSnapshot

# Who asks by hand waits longer, and wants to see what is doubtful.
_BY_HAND_TIMES = 4
# The engine says that it is not ready while it loads what it needs for next edits.
_AGAIN_AFTER_S = (2.0, 4.0, 8.0, 16.0)
# An editor may ask first and then tell that the file was saved.
_SAVE_IS_LATE_S = 0.05
_HUNKS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A wish for next edits; `offset` is the cursor's, or that of the last edit."""

    snapshot: DocumentSnapshot
    offset: int
    by_hand: bool = False


@dataclass(slots=True, eq=False)
class _Search:
    """The engine at work for a text: of the document as it is, or as it will be."""

    uri: str
    text: str
    by_hand: bool
    settings: NextEditSettings
    task: asyncio.Task[list[Found]]
    waiting: int = 0

    def fits(self, ask: Ask, settings: NextEditSettings) -> bool:
        return (
            self.uri == ask.snapshot.uri
            and self.text == ask.snapshot.text
            and self.by_hand >= ask.by_hand
            and self.settings == settings
        )


class Flow:
    """Holds what lives as long as the editor.

    Args:
        scene: Looks at the documents as they are now.
        engine: Whoever rewrites regions.
    """

    def __init__(self, scene: Callable[[], Scene], engine: Callable[[], Rewriter]) -> None:
        self._scene = scene
        self._rules = NextEdits()
        self._shelf = Shelf()
        self._seeker = Seeker(engine)
        self._search: _Search | None = None
        # Whether the person did something in another document since the shelf was filled.
        self._is_shelf_old = False
        self.memory = self._rules.memory

    def giving_way(self) -> AbstractContextManager[None]:
        """See `Seeker.giving_way`."""
        return self._seeker.giving_way()

    async def find(self, ask: Ask, settings: NextEditSettings) -> tuple[Offered, ...]:
        """Edits that follow from what was done last, best first; () when nothing does.

        Raises:
            EngineUnavailable: there is no engine.
            RequestRejected: the engine refused.
        """
        scene = self._scene()
        # Who has just undone something wants nothing that follows from what was before it.
        if scene.history.took_back and not ask.by_hand:
            await asyncio.sleep(_SAVE_IS_LATE_S)
            scene = self._scene()
            if scene.history.took_back:
                return ()
        offered = self._at_once(scene, ask)
        if offered or not settings.model:
            return offered
        found = await self._searched(scene, ask, settings)
        current = {one.uri: one for one in self._scene().documents}
        usable = [bound for one in found if (bound := _bound(one, current)) is not None]
        if usable or not self._is_shelf_old:
            self._put(usable)
        return self._on_shelf(self._scene(), ask)

    def look_ahead(self, offered: tuple[Offered, ...], settings: NextEditSettings) -> None:
        """Look for what follows the only edit offered; more than one are enough for now."""
        if len(offered) != 1 or not settings.model or self._is_searching():
            return
        scene = _after(self._scene(), offered[0].proposal)
        if scene is None:
            return
        home = scene.documents[0]
        place = offered[0].proposal.start + len(offered[0].proposal.text)
        if not self._rules.propose(scene.history, scene.documents, home.uri, place):
            self._begin(scene, Ask(snapshot=home, offset=place), settings)

    def changed(self, before: DocumentSnapshot, after: DocumentSnapshot) -> None:
        """Note a change: what was looked for in another text is not wanted any more.

        What waits goes on waiting while its parts are taken, and in documents that stay as they
        are. After anything else the person did, something else may follow.
        """
        if any(_makes(one.proposal, before, after) for one in self._shelf.waiting()):
            self._shelf.changed(before, after)
            self._is_shelf_old = False
        else:
            self._shelf.forget(after.uri)
            self._is_shelf_old = True
        self._note_undone(before, after)
        search = self._search
        if search is not None and (search.uri, search.text) != (after.uri, after.text):
            self.stop()

    def closed(self, uri: str) -> None:
        """Drop what belongs to a closed document."""
        self._shelf.forget(uri)
        if self._search is not None and self._search.uri == uri:
            self.stop()

    def stop(self) -> None:
        """End the search under way."""
        if self._search is not None:
            self._search.task.cancel()
            self._search = None

    def _at_once(self, scene: Scene, ask: Ask) -> tuple[Offered, ...]:
        """What needs no engine."""
        uri = ask.snapshot.uri
        rules = self._rules.propose(scene.history, scene.documents, uri, ask.offset)
        return rules or (() if self._is_shelf_old else self._on_shelf(scene, ask))

    def _put(self, found: list[Found]) -> None:
        self._shelf.put(found)
        self._is_shelf_old = False

    def _note_undone(self, before: DocumentSnapshot, after: DocumentSnapshot) -> None:
        """A rename that is taken back and then made anew is followed anew."""
        causes = [cause for cause in self.memory.taken() if brings_back(cause, before, after)]
        recent = hunks(self._scene().history, _HUNKS) if causes else ()
        for cause in causes:
            if is_over(cause, recent, self.memory):
                self.memory.ended(cause)

    def _on_shelf(self, scene: Scene, ask: Ask) -> tuple[Offered, ...]:
        current = {one.uri: one for one in scene.documents}
        bound = [_bound(one, current) for one in self._shelf.waiting()]
        usable = {one.proposal: one for one in bound if one and self.memory.allows(one.proposal)}
        ordered = in_reading_order(list(usable), ask.snapshot.uri, ask.offset)
        return tuple(
            Offered(self.memory.offered(one), one, usable[one].probability, "engine")
            for one in ordered
        )

    async def _searched(self, scene: Scene, ask: Ask, settings: NextEditSettings) -> list[Found]:
        search = self._search
        if search is None or not search.fits(ask, settings) or self._is_spent(search):
            search = self._begin(scene, ask, settings)
        search.waiting += 1
        try:
            await asyncio.wait({search.task})
        finally:
            search.waiting -= 1
            if not search.waiting and not search.task.done():
                search.task.cancel()
                # Who asks again meanwhile is not to wait for what is ending.
                self._search = None if self._search is search else self._search
        return [] if search.task.cancelled() else search.task.result()

    def _is_spent(self, search: _Search) -> bool:
        """Whether it failed, or found what has been refused since."""
        task = search.task
        if not task.done():
            return False
        if task.cancelled() or task.exception() is not None:
            return True
        return not any(self.memory.allows(one.proposal) for one in task.result())

    def _is_searching(self) -> bool:
        return self._search is not None and not self._search.task.done()

    def _begin(self, scene: Scene, ask: Ask, settings: NextEditSettings) -> _Search:
        self.stop()
        threshold = min(THRESHOLDS.values()) if ask.by_hand else THRESHOLDS[settings.show]
        task = asyncio.ensure_future(
            self._sought(
                scene,
                threshold=threshold,
                budget_ms=settings.budget_ms * (_BY_HAND_TIMES if ask.by_hand else 1),
                by_likelihood=settings.likelihood,
                # Who asks by hand is told at once that there is nothing yet.
                waits=() if ask.by_hand else _AGAIN_AFTER_S,
            )
        )
        # Retrieved here, so that an error nobody waits for is not reported as forgotten.
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
        self._search = _Search(
            uri=ask.snapshot.uri,
            text=ask.snapshot.text,
            by_hand=ask.by_hand,
            settings=settings,
            task=task,
        )
        return self._search

    async def _sought(
        self,
        scene: Scene,
        *,
        threshold: float,
        budget_ms: int,
        by_likelihood: bool,
        waits: tuple[float, ...],
    ) -> list[Found]:
        """What the engine finds; asked again a few times while it is not ready."""
        for wait_s in (*waits, None):
            try:
                return await self._seeker.seek(
                    scene,
                    allows=self.memory.allows,
                    threshold=threshold,
                    budget_ms=budget_ms,
                    by_likelihood=by_likelihood,
                )
            except RequestRejected as error:
                if error.code != "not_ready" or wait_s is None:
                    raise
                await asyncio.sleep(wait_s)
        return []


def _makes(proposal: Proposal, before: DocumentSnapshot, after: DocumentSnapshot) -> bool:
    """Whether taking `proposal` is what turned `before` into `after`."""
    return proposal.snapshot.text == before.text and proposal.applied() == after.text


def _bound(found: Found, current: dict[str, DocumentSnapshot]) -> Found | None:
    """The same for the documents as they are; None where the text is another one."""
    snapshot = current.get(found.proposal.snapshot.uri)
    if snapshot is None or snapshot.text != found.proposal.snapshot.text:
        return None
    return Found(replace(found.proposal, snapshot=snapshot), found.probability)


def _after(scene: Scene, proposal: Proposal) -> Scene | None:
    """The scene as it will be when `proposal` is taken, its document first; None if it is stale."""
    before = proposal.snapshot
    if before not in scene.documents:
        return None
    after = before.replaced(proposal.start, proposal.end, proposal.text, version=before.version + 1)
    history = scene.history.copy()
    history.record(before, after, time.monotonic())
    others = tuple(one for one in scene.documents if one.uri != before.uri)
    return replace(scene, history=history, documents=(after, *others))
