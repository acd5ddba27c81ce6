"""`Seeker`: asks the engine about one region after the other, the likeliest first.

It stops at the first edit that is worth showing. Completions come first: while one is under way no
further region is asked about. Answers are remembered, since the same question is asked again when
a file is saved twice or an edit was dismissed.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import os
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import msgspec

from midspan_engine.protocol import RequestRejected
from midspan_server.next_edit.asking import edit_request, likelihood_request, region_text
from midspan_server.next_edit.beyond import snippets
from midspan_server.next_edit.hunks import hunks
from midspan_server.next_edit.judging import breaks_syntax, features, probability
from midspan_server.next_edit.likelier import reordered, unsettled
from midspan_server.next_edit.proposal import Found
from midspan_server.next_edit.proposals import LONGEST_CHARS
from midspan_server.next_edit.regions import REGION_TOKENS, candidates
from midspan_server.next_edit.rewritten import joined, proposals
from midspan_server.next_edit.taken_back import is_no_news
from midspan_server.next_edit.tokens import model_tokens

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

    from midspan_engine.protocol import Edited, EditRequest, LikelihoodRequest
    from midspan_server.engine_client import Rewriter
    from midspan_server.history import EditHistory
    from midspan_server.next_edit.hunks import Hunk
    from midspan_server.next_edit.proposal import Proposal
    from midspan_server.next_edit.regions import Candidate
    from midspan_server.snapshot import DocumentSnapshot

_Answer = TypeVar("_Answer")

_log = logging.getLogger(__name__)

MOST_REGIONS = 5
_RANKING_MS = 20.0
_HUNKS = 16
_LONGEST_AGO_S = 900.0
_REMEMBERED = 64
# With less than this left the engine cannot answer.
_LEAST_S = 0.05
_GRACE_S = 0.3
# Of the time that is left, for the order of the regions.
_ORDERING_SHARE = 0.4
_SESSION = f"{os.getpid()}-next-edit"
# Ids of next edits and of completions share a connection.
_FIRST_ID = 1 << 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What there is to look at.

    Attributes:
        history: What was done.
        documents: What may be read, latest used first.
        roots: Folders of the workspace.
        snippet_chars: How much of other documents may stand beside a region.
    """

    history: EditHistory
    documents: tuple[DocumentSnapshot, ...]
    roots: tuple[Path, ...] = ()
    snippet_chars: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Work:
    """One search: what the engine is told in each of its requests, and until when."""

    scene: Scene
    recent: list[Hunk]
    documents: dict[str, DocumentSnapshot]
    deadline: float

    @property
    def left_s(self) -> float:
        return self.deadline - time.monotonic()

    def edit_request(self, region: Candidate, number: int) -> EditRequest:
        return edit_request(
            region,
            self.recent,
            self.documents,
            self.scene.roots,
            number=number,
            session=_SESSION,
            budget_ms=max(1, int(1e3 * self.left_s)),
            snippets=snippets(
                self.recent, list(self.documents.values()), region.uri, self.scene.snippet_chars
            ),
        )

    def likelihood_request(
        self, regions: list[Candidate], number: int, left_s: float
    ) -> LikelihoodRequest:
        return likelihood_request(
            regions,
            self.recent,
            self.documents,
            self.scene.roots,
            number=number,
            session=_SESSION,
            budget_ms=max(1, int(1e3 * left_s)),
        )


class Seeker:
    """Holds what the engine answered lately, and whether it is needed elsewhere."""

    def __init__(self, engine: Callable[[], Rewriter]) -> None:
        self._engine = engine
        self._numbers = itertools.count(_FIRST_ID)
        self._answers: OrderedDict[tuple[object, ...], Edited] = OrderedDict()
        self._completing = 0
        self._is_free = asyncio.Event()
        self._is_free.set()

    @contextlib.contextmanager
    def giving_way(self) -> Iterator[None]:
        """Ask about no further region while this lasts."""
        self._completing += 1
        self._is_free.clear()
        try:
            yield
        finally:
            self._completing -= 1
            if not self._completing:
                self._is_free.set()

    async def seek(
        self,
        scene: Scene,
        *,
        allows: Callable[[Proposal], bool],
        threshold: float,
        budget_ms: int,
        by_likelihood: bool = False,
    ) -> list[Found]:
        """The edits of the first region that has one worth showing, in order; [] for none.

        Args:
            scene: Where to look.
            allows: Whether a proposal may be shown.
            threshold: Least probability of being taken.
            budget_ms: For all regions together.
            by_likelihood: Whether the model also says in which order to ask about the regions.

        Raises:
            EngineUnavailable: there is no engine.
            RequestRejected: the engine refused for another reason than the region.
        """
        documents = [one for one in scene.documents if len(one.text) <= LONGEST_CHARS]
        by_uri = {one.uri: one for one in documents}
        recent = _recent(scene, by_uri)
        if not recent:
            return []
        deadline = time.monotonic() + budget_ms / 1e3
        work = _Work(scene=scene, recent=recent, documents=by_uri, deadline=deadline)
        regions = [
            one
            for one in candidates(scene.history, documents, MOST_REGIONS, _RANKING_MS)
            if _is_askable(by_uri[one.uri], one)
        ]
        if by_likelihood and await self._free_until(deadline):
            regions = await self._reordered(regions, work)
        for region in regions:
            if not await self._free_until(deadline):
                break
            edited = await self._asked(region, work)
            if edited is None or edited.finish != "edit":
                continue
            judged = _judged(edited, proposals(by_uri[region.uri], region, edited.text), recent)
            allowed = [one for one in judged if allows(one.proposal)]
            if allowed and allowed[0].probability >= threshold:
                return allowed
        return []

    async def _reordered(self, regions: list[Candidate], work: _Work) -> list[Candidate]:
        """What the rules did not settle in the model's order; as it was where that took long."""
        asked = unsettled(regions)
        left_s = work.left_s * _ORDERING_SHARE
        if not asked or left_s < _LEAST_S:
            return regions
        request = work.likelihood_request(asked, next(self._numbers), left_s)
        told = await _within(left_s, self._engine().likelihoods(request))
        return reordered(regions, asked, told.losses) if told else regions

    async def _free_until(self, deadline: float) -> bool:
        """Wait for completions; return whether there is time left."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, deadline - time.monotonic())):
                await self._is_free.wait()
        return self._is_free.is_set() and deadline - time.monotonic() >= _LEAST_S

    async def _asked(self, region: Candidate, work: _Work) -> Edited | None:
        """The engine's answer; None where there is none in time, or the region is refused."""
        request = work.edit_request(region, next(self._numbers))
        key = _key(request)
        known = self._answers.get(key)
        if known is not None:
            return known
        edited = await _within(work.left_s, self._engine().edit(request))
        if edited is not None and edited.finish in {"edit", "no_edit"}:
            self._answers[key] = edited
            while len(self._answers) > _REMEMBERED:
                self._answers.popitem(last=False)
        return edited


async def _within(left_s: float, asking: Awaitable[_Answer | None]) -> _Answer | None:
    """The engine's answer; None where there is none in time, or what was asked about is refused."""
    try:
        async with asyncio.timeout(left_s + _GRACE_S):
            return await asking
    except TimeoutError:
        _log.info("the engine took too long for a next edit")
    except RequestRejected as error:
        if error.code not in {"too_large", "bad_request"}:
            raise
        _log.info("the engine refused a region: %s", error)
    return None


def _recent(scene: Scene, by_uri: dict[str, DocumentSnapshot]) -> list[Hunk]:
    """What belongs to the work at hand, newest last."""
    found = [
        one for one in hunks(scene.history, _HUNKS) if not one.is_formatting and one.uri in by_uri
    ]
    return [one for one in found if found[-1].at - one.at <= _LONGEST_AGO_S]


def _is_askable(document: DocumentSnapshot, region: Candidate) -> bool:
    """Whether there is text in it, and not more than the engine takes: lines may be long."""
    text = region_text(document, region.start_line, region.end_line)
    return bool(text.strip()) and model_tokens(text) <= REGION_TOKENS


def _key(request: EditRequest) -> tuple[object, ...]:
    """What the answer depends on."""
    plain = msgspec.structs.replace(
        request, id=0, session="", document_version=0, budget_ms=None, language=""
    )
    return msgspec.structs.astuple(plain)


def _judged(edited: Edited, parts: list[Proposal], recent: list[Hunk]) -> list[Found]:
    """The parts of an answer that are news, each with the probability of the whole."""
    parts = [part for part in parts if not is_no_news(part, recent)]
    if not parts:
        return []
    sure = probability(features(edited, parts, recent))
    if len(parts) > 1 and breaks_syntax(parts[0]):
        # The first alone would leave broken code.
        parts = [joined(parts)]
    return [Found(part, sure) for part in parts]
