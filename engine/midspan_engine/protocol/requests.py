"""What a client sends."""

from __future__ import annotations

from typing import Literal

import msgspec

PROTOCOL_VERSION = 1

Effort = Literal["draft", "balanced", "verified"]
Scope = Literal["line", "block"]


class Message(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """Base of everything that crosses the socket."""


class Hello(Message, frozen=True, kw_only=True, tag="hello"):
    """First frame of a client. `token` is asked for on TCP only."""

    protocol: int = PROTOCOL_VERSION
    client: str = ""
    token: str | None = None


class Snippet(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of another file that may help; the most relevant comes last (nearest the cursor)."""

    path: str
    text: str


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """One message of a conversation; `role` is `system`, `user`, `assistant` or `tool`."""

    role: str
    text: str


class InfillRequest(Message, frozen=True, kw_only=True, tag="infill"):
    """Fill the hole between `prefix` and `suffix`.

    Attributes:
        id: Unique within the connection; names the request in answers and in `Cancel`.
        session: One document in one editor. Its context cache is kept between requests, and a new
            request of a session ends the one before it.
        document_version: Returned as it came, so that the client can drop stale answers.
        language: LSP language identifier, "" when unknown.
        path: As the model may see it, relative to the workspace.
        prefix: Text before the hole, already cut to what is worth reading.
        suffix: Text after the hole, likewise.
        draft: The text that stands in the hole now, or a guess of it; "" for none. Only a starting
            point: with effort `verified` it changes the speed and never the result.
        snippets: Other text of use, most relevant last.
        scope: `line` ends at the first line break. `block` ends at the first line that is indented
            less than `block_indent` columns.
        block_indent: Columns (a tab counts to the next multiple of 4); read for `block` only.
        max_tokens: Upper bound for each alternative.
        stop: Strings that end the span; they are not part of it.
        n: Alternatives wanted. The first is the greedy one, or the likeliest of the others where
            that is no use to anybody: blank, the line that follows anyway, or a block that breaks
            the file. A greedy block that breaks it is first cut, where it runs on into the suffix
            or where its end was likely.
        effort: `verified` gives exactly what token-by-token decoding gives, in fewer passes.
            `balanced` also keeps guesses that the model finds nearly as likely as its own choice:
            fewer passes still, and now and then another text. `draft` fills masks by the adapter
            alone: fewest checks and the worst text; without an adapter it is `verified`.
        steps: For `draft`: passes to fill a block of masks in, 1 being the fastest and worst; None
            lets confidence decide.
        budget_ms: Time after which the engine returns the best it has; None for no limit.
        stream: Send a `Partial` after every pass.
        canvas: Let each `Partial` carry the canvas too.
        chat: Where given, the span is the assistant's next turn and nothing else is read of the
            text around the hole; for models that know turns.
        forbid: Regular expressions that nothing in the answer may match, not even together with the
            text around it. Held to while tokens are chosen, so an answer is found around them.
        require: Texts that the answer has to contain, in this order; for canvas models, which begin
            with them and fill in what is around.
    """

    id: int
    session: str
    document_version: int = 0
    language: str = ""
    path: str = ""
    prefix: str
    suffix: str = ""
    draft: str = ""
    snippets: tuple[Snippet, ...] = ()
    scope: Scope = "line"
    block_indent: int = 0
    max_tokens: int = 64
    stop: tuple[str, ...] = ()
    n: int = 1
    effort: Effort = "verified"
    steps: int | None = None
    budget_ms: int | None = None
    stream: bool = False
    canvas: bool = False
    chat: tuple[Turn, ...] = ()
    forbid: tuple[str, ...] = ()
    require: tuple[str, ...] = ()


class PastEdit(msgspec.Struct, frozen=True, kw_only=True):
    """One hunk of what the person changed.

    Attributes:
        path: As the model may see it, relative to the workspace.
        diff: Lines that begin with a space, `-` or `+`, without a header.
    """

    path: str
    diff: str


class EditRequest(Message, frozen=True, kw_only=True, tag="edit"):
    """Rewrite `region` as it should be after the edits in `history`, or leave it.

    Attributes:
        id: As in `InfillRequest`.
        session: As in `InfillRequest`; next edits and completions of one document need different
            ones, or they end each other.
        document_version: Returned as it came.
        language: LSP language identifier, "" when unknown.
        path: Of the file with the region, relative to the workspace.
        history: What the person did, oldest first; the newest is what the edit follows from.
        before: Whole lines before the region, already cut to what is worth reading.
        region: Whole lines, at most about 200 tokens; they are the first draft of the answer.
        after: Whole lines after it.
        snippets: Pieces of other files, most relevant last; read where room is left.
        edit_from: The region is rewritten where the model's probability that anything is to change
            is at least this; None for where an edit is likelier than its absence. Less is more
            edits, and more of them wrong.
        max_tokens: Upper bound for the rewritten region; an answer that grows far beyond the region
            is given up before.
        effort: `verified` and `balanced` as in `InfillRequest`; `draft` is `balanced` here.
        budget_ms: Time after which the engine gives up; None for no limit. Half an edit is none, so
            the answer is then without one.
    """

    id: int
    session: str
    document_version: int = 0
    language: str = ""
    path: str = ""
    history: tuple[PastEdit, ...] = ()
    before: str = ""
    region: str
    after: str = ""
    snippets: tuple[Snippet, ...] = ()
    edit_from: float | None = None
    max_tokens: int = 320
    effort: Effort = "verified"
    budget_ms: int | None = None


class Passage(msgspec.Struct, frozen=True, kw_only=True):
    """A place in a file whose text may have become unlikely.

    Attributes:
        path: As the model may see it, relative to the workspace.
        before: Whole lines before it; only the last ones are read.
        text: Whole lines, as they stand.
    """

    path: str
    before: str = ""
    text: str


class LikelihoodRequest(Message, frozen=True, kw_only=True, tag="likelihood?"):
    """Tell how much less likely each line of some passages became by what the person did.

    Attributes:
        id: As in `InfillRequest`.
        session: As in `EditRequest`; sharing it shares the history that both begin with.
        document_version: Returned as it came.
        history: As in `EditRequest`.
        passages: At most eight, the ones that matter most first.
        budget_ms: Time after which the engine answers for the passages that it got to; None for no
            limit.
    """

    id: int
    session: str
    document_version: int = 0
    history: tuple[PastEdit, ...] = ()
    passages: tuple[Passage, ...]
    budget_ms: int | None = None


class Cancel(Message, frozen=True, kw_only=True, tag="cancel"):
    """Stop working on request `id`.

    It is answered by an `Infill` without choices, an `Edited` or `Likelihoods` with `finish`
    "cancelled".
    """

    id: int


class StatusQuery(Message, frozen=True, kw_only=True, tag="status?"):
    """Ask for an `EngineStatus` now; the engine also sends one whenever its state changes."""


ClientMessage = Hello | InfillRequest | EditRequest | LikelihoodRequest | Cancel | StatusQuery
