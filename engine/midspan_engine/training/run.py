"""Put a training run together from folders on disk."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from tokenizers import Tokenizer

from midspan_engine.models.adapter import Adapter, load_adapter, merge_adapter
from midspan_engine.models.adapter_file import merged_sha256, read_adapter_info
from midspan_engine.models.packed_linear import can_pack, pack_linears
from midspan_engine.models.transformer import Transformer
from midspan_engine.training.block_task import BlockTask
from midspan_engine.training.data_shards import Corpus
from midspan_engine.training.edits.edit_task import prepare_edit_task
from midspan_engine.training.evaluation import greedy_set
from midspan_engine.training.infill_task import InfillTask
from midspan_engine.training.learner import AdapterLearner
from midspan_engine.training.objective import Objective
from midspan_engine.training.processes import Processes
from midspan_engine.training.rollout import ContextSource
from midspan_engine.training.run_files import Base, RunFiles
from midspan_engine.training.spans import (
    Context,
    SpanSampler,
    read_contexts,
    write_contexts,
)
from midspan_engine.training.trainer import Trainer

if TYPE_CHECKING:
    from pathlib import Path

    import torch

    from midspan_engine.models.adapter_file import AdapterKind
    from midspan_engine.training.settings import TrainSettings
    from midspan_engine.training.task import Task

_SHORTEST_MIDDLE = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPlan:
    """What a run is made of."""

    model: Path
    data: Path
    folder: Path
    export: Path
    base: Base
    device: str
    dtype: torch.dtype
    compile: bool = False
    kind: AdapterKind = "mask"
    merge: Path | None = None
    """Infilling adapter that is merged into the frozen weights first."""
    initial: Path | None = None
    """Adapter to begin from where there is no checkpoint yet."""
    rebase: bool = False
    """Whether it may be one that was trained for other weights."""


class AdapterTrainer(Trainer[Adapter]):
    """Trains an adapter; knows the task that it is for."""

    learner: AdapterLearner

    @property
    def task(self) -> Task:
        """Where its rows come from."""
        return self.learner.task


def prepare(plan: RunPlan, settings: TrainSettings) -> AdapterTrainer:
    """Load the model and the data; the trainer resumes by itself if the folder has a checkpoint.

    Raises:
        ModelConfigError, ShardError, CheckpointError, AdapterError: something on disk cannot be
            used.
    """
    processes = Processes.join(plan.device)
    model = Transformer.from_folder(plan.model, dtype=plan.dtype, device=plan.device)
    base = plan.base
    if plan.merge:
        adapter, _ = load_adapter(
            plan.merge, model.config, base_sha256=base.sha256, kind="infill", device=plan.device
        )
        merge_adapter(model, adapter)
        base = Base(name=base.name, sha256=merged_sha256(base.sha256, plan.merge))
    tokenizer = Tokenizer.from_file(str(plan.model / "tokenizer.json"))
    if plan.initial:
        # Other draws than those that the adapter was trained on.
        seen = read_adapter_info(plan.initial).tokens_trained
        settings = dataclasses.replace(settings, seed=settings.seed + seen)
    task = _TASKS[plan.kind](plan, settings, model, tokenizer, processes)
    if can_pack(plan.dtype, plan.device):
        pack_linears(model)
    if plan.compile:
        model.compile(dynamic=True)
    files = RunFiles(
        folder=plan.folder, export=plan.export, initial=plan.initial, rebase=plan.rebase
    )
    learner = AdapterLearner(task=task, settings=settings, files=files, base=base)
    return AdapterTrainer(settings=settings, learner=learner, files=files, processes=processes)


def _infill_task(
    plan: RunPlan,
    settings: TrainSettings,
    model: Transformer,
    tokenizer: Tokenizer,
    _processes: Processes,
) -> Task:
    corpus = Corpus.load(plan.data, held_out=False)
    sampler = SpanSampler(corpus, tokenizer, settings.limits)
    held_out = _held_out(plan, settings, tokenizer)
    return InfillTask(model, sampler, held_out, seed=settings.seed)


def _edit_task(
    plan: RunPlan,
    settings: TrainSettings,
    model: Transformer,
    tokenizer: Tokenizer,
    _processes: Processes,
) -> Task:
    return prepare_edit_task(
        data=plan.data, folder=plan.folder, settings=settings, model=model, tokenizer=tokenizer
    )


def _block_task(
    plan: RunPlan,
    settings: TrainSettings,
    model: Transformer,
    tokenizer: Tokenizer,
    processes: Processes,
) -> Task:
    corpus = Corpus.load(plan.data, held_out=False)
    sampler = SpanSampler(corpus, tokenizer, settings.limits)
    end, stops = sampler.specials.end, sampler.specials.stops
    vocabulary = _vocabulary(corpus, plan.folder, settings, model.config.vocab_size, end)
    held_out = _held_out(plan, settings, tokenizer)
    chosen, cache = held_out[: settings.greedy_contexts], plan.folder / "greedy.json"
    objective = Objective(model, vocabulary, settings.loss)
    per_step = settings.contexts_per_step
    source = ContextSource(
        sampler,
        objective,
        settings.rollout,
        seed=settings.seed,
        places=[index * processes.count + processes.rank for index in range(per_step)],
    )
    return BlockTask(
        objective=objective,
        source=source,
        blocks=settings.blocks,
        held_out=held_out,
        greedy=greedy_set(model, chosen, cache, stops) if processes.leads else [],
    )


_TASKS = {"mask": _block_task, "infill": _infill_task, "edits": _edit_task}


def _vocabulary(
    corpus: Corpus, folder: Path, settings: TrainSettings, size: int, end: int
) -> np.ndarray:
    """Ids of the most frequent tokens; kept with the run, so that more data changes nothing."""
    path = folder / "vocabulary.npy"
    if path.is_file():
        return np.asarray(np.load(path))
    counts = np.zeros(size, dtype=np.int64)
    for files in corpus.files.values():
        for file in files:
            counts += np.bincount(file, minlength=size)
    counts[end] = counts.max() + 1  # a target, but never in a file
    kept = np.sort(np.argsort(-counts, kind="stable")[: settings.vocabulary])
    folder.mkdir(parents=True, exist_ok=True)
    np.save(path, kept)
    return kept


def _held_out(plan: RunPlan, settings: TrainSettings, tokenizer: Tokenizer) -> list[Context]:
    """The evaluation contexts, drawn once and kept, so that more data does not move them."""
    path = plan.folder / "held_out.json"
    if path.is_file():
        return read_contexts(path)
    sampler = SpanSampler(Corpus.load(plan.data, held_out=True), tokenizer, settings.limits)
    rng = np.random.default_rng(settings.seed)
    contexts: list[Context] = []
    while len(contexts) < settings.evaluation_contexts:
        context = sampler.draw(rng)
        if len(context.ids) - context.middle_start >= _SHORTEST_MIDDLE:
            contexts.append(context)
    write_contexts(path, contexts)
    return contexts
