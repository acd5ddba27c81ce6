"""Training of next edits: the region as it becomes, or the one token for "no edit".

The adapter acts on all rows, as the infilling adapter does. Tokens that only repeat the original
weigh less: an engine takes them from the draft. What counts is where the text turns away from
it, where it comes back, and whether it should at all.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from midspan_engine.decoding.edit_prompt import Marks, WindowError
from midspan_engine.training.cut_head import token_loss
from midspan_engine.training.edits.samples import (
    REAL,
    EditCorpus,
    EditSample,
    read_samples,
    write_samples,
)
from midspan_engine.training.edits.targets import cut_after_change, encode_edit, shrunk
from midspan_engine.training.task import LossReport, PartLoss, share_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tokenizers import Tokenizer
    from torch import Tensor

    from midspan_engine.models.adapter import Adapter
    from midspan_engine.models.adapter_file import AdapterKind
    from midspan_engine.models.transformer import KeyValues, Transformer
    from midspan_engine.training.edits.targets import EditSettings, EncodedEdit
    from midspan_engine.training.settings import TrainSettings
    from midspan_engine.training.task import Spend

_TRIES = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class EditReport(LossReport):
    """Figures on samples of held-out packages, the answer's own tokens given (teacher forcing).

    Where every token is the most likely one, greedy decoding gives the same answer.
    """

    exact: float
    """Share of changed regions with every token right, the closing one too."""
    text_exact: float
    """The same without the closing token."""
    exact_release: float
    """The same among changes between releases."""
    exact_refactoring: float
    right: float
    """Share of changed tokens that are the most likely one."""
    quiet_rate: float
    """Share of unchanged regions whose first token is "no edit"."""
    false_quiet_rate: float
    """The same among changed regions, where it is wrong."""
    samples: int


class EditSampler:
    """Draws encoded samples; the same generator state gives the same one."""

    def __init__(self, corpus: EditCorpus, tokenizer: Tokenizer, settings: EditSettings) -> None:
        self.settings, self.tokenizer = settings, tokenizer
        self.marks = Marks.of(tokenizer.token_to_id)
        self.quiet = corpus.quiet
        self.real = [sample for sample in corpus.changed if sample.kind == REAL]
        self.refactored = [sample for sample in corpus.changed if sample.kind != REAL]

    def encode(self, text: str) -> list[int]:
        """Ids of a text."""
        ids: list[int] = self.tokenizer.encode(text, add_special_tokens=False).ids
        return ids

    def draw(self, rng: np.random.Generator) -> EncodedEdit:
        """One sample with its context cut at random.

        Raises:
            ValueError: no region of the corpus fits the window.
        """
        for _ in range(_TRIES):
            sample = self.pick(rng)
            settings = replace(self.settings, window=shrunk(self.settings.window, rng))
            cut = rng.random() < settings.cut_share
            try:
                edit = encode_edit(sample, settings, self.encode, self.marks)
            except WindowError:
                continue
            return cut_after_change(edit) if cut else edit
        raise ValueError("the regions of the edit samples are longer than the window")

    def pick(self, rng: np.random.Generator) -> EditSample:
        """One sample by the shares of the settings."""
        quiet = rng.random() < self.settings.quiet_share
        real = rng.random() < self.settings.real_share
        pool = self.real if real else self.refactored
        chosen = self.quiet if quiet else pool or self.real or self.refactored
        return chosen[int(rng.integers(len(chosen)))]

    def fits(self, sample: EditSample) -> bool:
        """Whether the window takes the region, before and after."""
        most = self.settings.window.region
        return max(len(self.encode(t)) for t in (sample.original, sample.updated)) <= most


class EditTask:
    """See `task.Task`."""

    kind: AdapterKind = "edits"
    block = 1

    def __init__(
        self, model: Transformer, sampler: EditSampler, held_out: Sequence[EditSample], *, seed: int
    ) -> None:
        self.model, self.sampler, self.held_out, self.seed = model, sampler, held_out, seed
        self.head = model.head_weight

    def loss(self, adapter: Adapter, step: int, place: int, spend: Spend) -> PartLoss:
        """Loss of one answer; long changes count for less than their length."""
        edit = self.sampler.draw(np.random.default_rng([self.seed, step, place]))
        hidden, targets = self._answer(adapter, edit)
        weights = torch.from_numpy(edit.weights).to(hidden.device, copy=True)
        weights[1:] *= max(float(weights[1:].sum()), 1.0) ** -0.5
        total, best = token_loss(hidden, self.head, targets, weights)
        spend("forward")
        # "First" in the log: what matters, the changed tokens or the one that says no edit.
        matters = torch.from_numpy(edit.changed | edit.quiet).to(hidden.device)
        return PartLoss(
            total=total,
            weight=float(weights.sum()),
            tokens=len(targets),
            first_hits=int(((best == targets) & matters).sum()),
            first_rows=int(matters.sum()),
        )

    @torch.no_grad()
    def evaluate(self, adapter: Adapter) -> EditReport:
        """Figures on held-out packages."""
        sampler = self.sampler
        tally = _Tally()
        for sample in self.held_out:
            edit = encode_edit(sample, sampler.settings, sampler.encode, sampler.marks)
            hidden, targets = self._answer(adapter, edit)
            logits = self.model.head(hidden)
            losses = torch.nn.functional.cross_entropy(logits, targets, reduction="none")
            best = logits.argmax(dim=-1)
            tally.add(sample, edit, best.cpu().numpy(), losses.cpu().numpy(), sampler.marks.end)
        return tally.report()

    def _answer(self, adapter: Adapter, edit: EncodedEdit) -> tuple[Tensor, Tensor]:
        """Final hidden states that predict the answer, `[answer, hidden]`, and its ids."""
        device = self.head.device
        ids = torch.from_numpy(edit.ids).to(device)
        positions = torch.arange(len(ids), device=device)
        cut = edit.region if self.sampler.settings.gradient == "region" else 0
        past = self._constant(adapter, ids[:cut], positions[:cut]) if cut else None
        output = self.model(
            ids[cut:].unsqueeze(0), positions[cut:].unsqueeze(0), past=past, adapter=adapter
        )
        hidden: Tensor = output.hidden[0, edit.start - cut :]
        return hidden, torch.from_numpy(edit.targets).to(device)

    @torch.no_grad()
    def _constant(self, adapter: Adapter, ids: Tensor, positions: Tensor) -> Sequence[KeyValues]:
        """Keys and values of rows that the gradient does not reach."""
        constant: Sequence[KeyValues] = self.model(
            ids.unsqueeze(0), positions.unsqueeze(0), adapter=adapter
        ).keys_values
        return constant


class _Tally:
    def __init__(self) -> None:
        self.exact: dict[bool, list[bool]] = {True: [], False: []}
        self.text: list[bool] = []
        self.right: list[bool] = []
        self.first: dict[bool, list[bool]] = {True: [], False: []}
        self.losses: list[float] = []
        self.weights: list[float] = []

    def add(
        self,
        sample: EditSample,
        edit: EncodedEdit,
        best: np.ndarray,
        losses: np.ndarray,
        end: int,
    ) -> None:
        hits = best == edit.targets
        self.first[edit.quiet].append(bool(best[0] == end))
        if not edit.quiet:
            self.exact[sample.kind == REAL].append(bool(hits.all()))
            self.text.append(bool(hits[:-1].all()))
            self.right += hits[edit.changed].tolist()
        self.losses.append(float((losses * edit.weights).sum()))
        self.weights.append(float(edit.weights.sum()))

    def report(self) -> EditReport:
        return EditReport(
            exact=share_of(self.exact[True] + self.exact[False]),
            text_exact=share_of(self.text),
            exact_release=share_of(self.exact[True]),
            exact_refactoring=share_of(self.exact[False]),
            right=share_of(self.right),
            quiet_rate=share_of(self.first[True]),
            false_quiet_rate=share_of(self.first[False]),
            loss=round(sum(self.losses) / max(sum(self.weights), 1e-6), 4),
            samples=len(self.losses),
        )


def prepare_edit_task(
    *, data: Path, folder: Path, settings: TrainSettings, model: Transformer, tokenizer: Tokenizer
) -> EditTask:
    """The task over the samples in `data`; its held-out set is kept in the run's folder.

    Raises:
        ShardError: there are no samples, or damaged ones.
    """
    sampler = EditSampler(EditCorpus.load(data, held_out=False), tokenizer, settings.edit)
    held_out = _held_out(folder / "held_out.msgpack.z", data, settings, sampler)
    return EditTask(model, sampler, held_out, seed=settings.seed)


def _held_out(
    kept: Path, data: Path, settings: TrainSettings, sampler: EditSampler
) -> list[EditSample]:
    """A third each from releases, refactorings and unchanged regions, as far as there are any."""
    if kept.is_file():
        return read_samples(kept)
    corpus = EditCorpus.load(data, held_out=True)
    rng = np.random.default_rng(settings.seed)
    each = -(-settings.evaluation_contexts // 3)

    def chosen(pool: list[EditSample], fits: Callable[[EditSample], bool]) -> list[EditSample]:
        order = [pool[int(index)] for index in rng.permutation(len(pool))]
        return [sample for sample in order[: 2 * each] if fits(sample)][:each]

    real = [sample for sample in corpus.changed if sample.kind == REAL]
    refactored = [sample for sample in corpus.changed if sample.kind != REAL]
    samples = [
        sample for pool in (real, refactored, corpus.quiet) for sample in chosen(pool, sampler.fits)
    ]
    write_samples(kept, samples)
    return samples
