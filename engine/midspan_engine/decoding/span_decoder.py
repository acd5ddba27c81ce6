"""One span: its canvas, what it has to begin with, and where it ends."""

from __future__ import annotations

import codecs
import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from midspan_engine.decoding.canvas import MASK, Canvas
from midspan_engine.decoding.forbidden import Forbidden
from midspan_engine.decoding.guess import Guess, better, masks_behind
from midspan_engine.decoding.span import SpanRule
from midspan_engine.decoding.unmask import Denoise

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from midspan_engine.decoding.drafts import LookupDraft
    from midspan_engine.decoding.unmask import Policy
    from midspan_engine.protocol import Finish, InfillRequest
    from midspan_engine.runtime.blocks import CachedSequence
    from midspan_engine.runtime.rows import RowScores
    from midspan_engine.tokenizer import Tokenizer

_BRANCH_PLACES = 12
_MOST_REFUSED = 256
_END_CHANCE = math.log(0.002)


@dataclass(frozen=True, slots=True)
class Branch:
    """Another token that could have stood at `place`, with its natural log-probability."""

    place: int
    token: int
    logprob: float


@dataclass(frozen=True, slots=True)
class Start:
    """What a span must begin with, and how many bytes of that are no part of its text."""

    pending: bytes = b""
    hidden: int = 0


class SpanDecoder:
    """Fills one canvas.

    Args:
        canvas: Empty, or holding the tokens that a branch begins with.
        request: Read for the ending rule and `max_tokens`.
        tokenizer: Of the loaded model.
        start: What the span must begin with (see `Prompt.pending`).
        drafts: Source of guesses; None for no look-up.
        policy: See `unmask`.
    """

    def __init__(
        self,
        canvas: Canvas,
        request: InfillRequest,
        tokenizer: Tokenizer,
        start: Start,
        drafts: LookupDraft | None,
        policy: Policy,
    ) -> None:
        self.canvas = canvas
        self.request = request
        self.most_tokens = request.max_tokens
        self.tokenizer = tokenizer
        self.pending = start.pending
        self.finish: Finish | None = None
        self.text = ""
        self.drafted = 0
        self.accepted = 0
        self.is_cut = False
        self.branches: list[Branch] = []
        self._end_logprobs: list[float] = []
        self._drafts = drafts
        self._policy = policy
        self._rule = SpanRule.of(request)
        self._forbidden = Forbidden.of(request)
        self._ends = tokenizer.marks
        self._start = start
        self._kept = 0

    @property
    def hidden(self) -> int:
        """How many bytes of the first tokens stand in the prefix already."""
        return self._start.hidden

    @property
    def mean_logprob(self) -> float:
        """Mean natural log-probability of the tokens, the end mark included if it was said."""
        logprobs = self.canvas.logprobs
        return sum(logprobs) / len(logprobs) if logprobs else 0.0

    @property
    def lowest_logprob(self) -> float:
        """Log-probability of the least certain token."""
        return min(self.canvas.logprobs, default=0.0)

    def propose(self, *, most: int, least: float, masks: bool) -> None:
        """Choose the guesses of the next pass and the masks behind them.

        Args:
            most: Rows beside that of the last committed token.
            least: Smallest probability of one more token that is worth a row.
            masks: Whether masked rows can be run.
        """
        canvas = self.canvas
        if isinstance(self._policy, Denoise):
            block = canvas.cells[0] if canvas.cells else (MASK,) * self._policy.width
            canvas.cells = () if self.pending else (block,)
            return
        canvas.guess = Guess() if self.pending else self._guess(most).cut(most, least)
        self.drafted += len(canvas.guess.tokens)
        room = most - len(canvas.guess.tokens) if masks else 0
        canvas.cells = tuple(
            (MASK,) * count for count in masks_behind(canvas.guess.chances, room, least)
        )

    def _guess(self, most: int) -> Guess:
        """The masks' or a look-up's, whichever promises more, and what a look-up says after it."""
        if self._drafts is None:
            return self.canvas.guess
        best = better(self.canvas.guess, self._drafts.propose(self.canvas.tokens, most))
        after = self._drafts.propose([*self.canvas.tokens, *best.tokens], most)
        return best.then(after) if best.tokens else best

    def step(self, scores: RowScores) -> None:
        """Apply the policy to the scores of a pass over `canvas.rows()`."""
        canvas = self.canvas
        before, guesses = len(canvas.tokens), canvas.guess.tokens
        commit = self._policy(canvas, scores, self._pick)
        is_denoised = isinstance(self._policy, Denoise)
        self._note(scores, commit.tokens[:1] if is_denoised else commit.tokens)
        canvas.commit(commit)
        for token, guess in zip(commit.tokens, guesses, strict=False):
            if token != guess:
                break
            self.accepted += 1
        new = canvas.tokens[before:]
        if self._drafts:
            self._drafts.extend(new)
        self._spell(new)
        self._judge(before)

    def stop(self, finish: Finish) -> None:
        """End the span where it is, unless it has ended."""
        if not self.finish:
            self.finish = finish
            self._keep(self.text)

    def early_ends(self) -> list[int]:
        """Lengths of the text at which the model might have ended, the likeliest first."""
        found = sorted(enumerate(self._end_logprobs), key=lambda one: -one[1])
        tokens = self.canvas.tokens
        return [
            len(self._text(tokens[:place]))
            for place, logprob in found
            if 0 < place < len(tokens) and logprob > _END_CHANCE
        ]

    def shorten(self, text: str) -> None:
        """End with `text`, with which this span's text begins."""
        size, at, count = self._size(text), 0, 0
        for token in self.canvas.tokens:
            if at >= size:
                break
            at += len(self.tokenizer.token_bytes(token))
            count += 1
        self.is_cut = True
        self._end(count, text, "eos")

    def branch_off(self, branch: Branch, sequence: CachedSequence, first: int) -> SpanDecoder:
        """A second span that has this one's tokens up to the branch, then the other token."""
        canvas = Canvas(sequence, first)
        canvas.tokens = [*self.canvas.tokens[: branch.place], branch.token]
        canvas.logprobs = [*self.canvas.logprobs[: branch.place], branch.logprob]
        twin = SpanDecoder(
            canvas, self.request, self.tokenizer, self._start, self._drafts, self._policy
        )
        twin._spell(canvas.tokens)
        twin._judge(len(canvas.tokens) - 1)
        return twin

    def kept_rows(self) -> tuple[int, list[int]]:
        """Rows that end with the text's last token: position of the first, and ids.

        Rows whose exact keys are in the cache already are left out, but for the last one.
        """
        rows = [self.canvas.first, *self.canvas.tokens][: self._kept + 1]
        cached = min(self.canvas.sequence.length - self.canvas.origin, len(rows) - 1)
        return self.canvas.origin + cached, rows[cached:]

    def _pick(self, scores: RowScores, row: int) -> tuple[int, float]:
        if not self.pending:
            token = int(scores.top_ids[row, 0])
            if self._forbidden is not None and row <= len(self.canvas.guess.tokens):
                token = self._permitted(scores, row)
            return token, scores.logprob(row, token)
        allowed = np.asarray(
            [
                *self.tokenizer.ids_that_prefix(self.pending),
                *self.tokenizer.ids_with_prefix(self.pending),
            ]
        )
        logits = scores.logits_of(row, allowed)
        best = self._first_permitted(allowed, logits)
        # Only what was left to choose counts for confidence.
        highest = float(logits[best])
        normaliser = highest + float(np.log(np.exp(logits - highest).sum()))
        return int(allowed[best]), highest - normaliser

    def _first_permitted(self, allowed: NDArray[np.int64], logits: NDArray[np.float32]) -> int:
        """Index of the likeliest token; of one that completes nothing forbidden, if there is."""
        best = int(np.argmax(logits))
        if self._forbidden is None:
            return best
        ranked = np.argsort(-logits, kind="stable")[:_MOST_REFUSED]
        tokens = self.canvas.tokens
        return next((int(i) for i in ranked if not self._bars(tokens, int(allowed[i]))), best)

    def _permitted(self, scores: RowScores, row: int) -> int:
        """The likeliest token that completes nothing forbidden; an end mark where none is left."""
        before = [*self.canvas.tokens, *self.canvas.guess.tokens[:row]]
        ranked = scores.top_ids[row].tolist()
        if all(self._bars(before, token) for token in ranked):
            ranked = np.argsort(-scores.logits[row], kind="stable")[:_MOST_REFUSED].tolist()
        allowed = (token for token in ranked if not self._bars(before, token))
        return int(next(allowed, self.tokenizer.special.eos))

    def _two_best(self, scores: RowScores, row: int, before: list[int]) -> list[int]:
        """The likeliest tokens of a row behind others, fewer where some are forbidden."""
        ranked: list[int] = scores.top_ids[row].tolist()
        if self._forbidden is None:
            return ranked[:2]
        free = (token for token in ranked if not self._bars(before, token))
        return list(itertools.islice(free, 2))

    def _bars(self, before: list[int], token: int) -> bool:
        ends = token in self._ends
        if not ends and not self.tokenizer.token_bytes(token):
            return True  # padding of the head, which is no token
        text = self._text([*before, *([] if ends else [token])])
        return self._forbidden is not None and self._forbidden.bars(text, ends=ends)

    def _spell(self, tokens: list[int]) -> None:
        """Take the bytes of new tokens from what is pending."""
        for token in tokens:
            if not self.pending:
                return
            spelled = self.tokenizer.token_bytes(token)
            self.pending = self.pending[len(spelled) :]

    def _judge(self, before: int) -> None:
        """Find the earliest ending among the tokens from `before` on, and drop what is behind."""
        tokens = self.canvas.tokens
        for count in range(before + 1, len(tokens) + 1):
            ended = tokens[count - 1] in self._ends
            text = self._text(tokens[: count - ended])
            ending = self._rule.ending(text)
            if ending is not None:
                self._end(count, ending.text, ending.finish)
            elif ended:
                self._end(count, text, "eos")
            elif count >= self.most_tokens:
                self._end(count, text, "length")
            else:
                self.text = text
                continue
            return

    def _end(self, count: int, text: str, finish: Finish) -> None:
        del self.canvas.tokens[count:]
        del self.canvas.logprobs[count:]
        # A pass may run past the end; what could have stood there is no alternative.
        self.branches = [branch for branch in self.branches if branch.place < count]
        self.text, self.finish = text, finish
        self._keep(text)

    def _keep(self, text: str) -> None:
        """Count the tokens that lie within the text."""
        size, at = self._size(text), 0
        self._kept = 0
        for token in self.canvas.tokens:
            at += len(self.tokenizer.token_bytes(token))
            if at > size or token in self._ends:
                return
            self._kept += 1

    def _size(self, text: str) -> int:
        """Bytes of the tokens that spell `text`, what is hidden before it included."""
        return self._start.hidden + len(text.encode("utf-8", "surrogatepass"))

    def _text(self, tokens: list[int]) -> str:
        spelled = self.tokenizer.decode_bytes(tokens)
        hidden = self._start.hidden
        if len(spelled) < hidden:
            return ""
        # What is hidden ends with the prefix, so between two characters.
        decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        return decoder.decode(spelled[hidden:])

    def _end_logprob(self, scores: RowScores, row: int) -> float:
        """Of the end mark, if it is among the likeliest: others may cost a look at the device."""
        end = self.tokenizer.special.eos
        return scores.logprob(row, end) if end in scores.top_ids[row] else -math.inf

    def _note(self, scores: RowScores, tokens: Sequence[int]) -> None:
        """Remember what else could have stood where each token is about to be committed.

        How likely the end was, everywhere; another token, at the first places, where texts part,
        and at the end, which may have come too early.
        """
        start = len(self.canvas.tokens)
        if self.pending:
            return
        self._end_logprobs += [-math.inf] * (start - len(self._end_logprobs))
        for row, token in enumerate(tokens):
            self._end_logprobs.append(self._end_logprob(scores, row))
            if start + row >= _BRANCH_PLACES and token not in self._ends:
                continue
            before = [*self.canvas.tokens, *tokens[:row]]
            other = next((t for t in self._two_best(scores, row, before) if t != token), None)
            if other is not None and other not in self._ends:
                self.branches.append(Branch(start + row, other, scores.logprob(row, other)))
