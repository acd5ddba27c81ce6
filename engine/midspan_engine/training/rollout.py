"""Contexts with the frozen pass already done: the file's own middle, or the base's greedy one.

A draft is accepted when it equals what the base would say after its own words, so part of the
contexts get their middle from the base itself. The greedy tokens of several contexts are made in
one batch, and the keys, values and hidden states that arise on the way are those that training
needs: a context costs one row of a small pass for each token, and no second pass.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional

from midspan_engine.training.objective import ContextState
from midspan_engine.training.spans import Context

if TYPE_CHECKING:
    from collections.abc import Sequence

    from midspan_engine.models.transformer import KeyValues, Transformer
    from midspan_engine.training.objective import Objective
    from midspan_engine.training.spans import SpanSampler


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutSettings:
    """How many middles the base writes itself."""

    share: float = 0.6
    tokens: int = 40
    batch: int = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A context that blocks can be laid over."""

    context: Context
    state: ContextState
    rng: np.random.Generator
    """Goes on where drawing the context left it."""


class ContextSource:
    """Gives each (step, place) its context; the same ones after a restart."""

    def __init__(
        self,
        sampler: SpanSampler,
        objective: Objective,
        settings: RolloutSettings,
        *,
        seed: int,
        places: Sequence[int],
    ) -> None:
        self.sampler, self.objective, self.settings = sampler, objective, settings
        self.seed, self.places = seed, places
        self.steps = max(1, settings.batch // len(places))
        self._ready: dict[tuple[int, int], Prepared] = {}

    def take(self, step: int, place: int) -> Prepared:
        """The context of one place in one step; prepares a whole batch when it has none left."""
        if (step, place) not in self._ready:
            first = step - step % self.steps
            self._ready = self._prepare(range(first, first + self.steps))
        return self._ready.pop((step, place))

    def _prepare(self, steps: range) -> dict[tuple[int, int], Prepared]:
        drawn = {}
        for key in ((step, place) for step in steps for place in self.places):
            rng = np.random.default_rng([self.seed, *key])
            context = self.sampler.draw(rng)
            drawn[key] = (context, rng, rng.random() < self.settings.share)
        own = [context for context, _, rolled in drawn.values() if rolled]
        written = iter(
            continue_greedily(
                self.objective.model, own, self.settings.tokens, self.sampler.specials.stops
            )
        )
        ready = {}
        for key, (context, rng, rolled) in drawn.items():
            if rolled:
                made, state = next(written)
            else:
                made, state = context, self.objective.context(context.ids)
            ready[key] = Prepared(context=made, state=state, rng=rng)
        return ready


@torch.no_grad()
def continue_greedily(
    model: Transformer, contexts: Sequence[Context], count: int, stops: frozenset[int]
) -> list[tuple[Context, ContextState]]:
    """The same prompts with the base's own middles of up to `count` tokens, ended by `stops`."""
    if not contexts:
        return []
    prompts = [_Prompt.run(model, context) for context in contexts]
    longest = max(len(prompt.ids) for prompt in prompts)
    past = [_side_by_side([p.keys_values[i] for p in prompts], longest) for i in _layers(model)]
    device = prompts[0].hidden.device
    seen = torch.zeros(len(prompts), 1, longest + count, dtype=torch.bool, device=device)
    for index, prompt in enumerate(prompts):
        seen[index, 0, : len(prompt.ids)] = True
    lengths = torch.tensor([[len(prompt.ids)] for prompt in prompts], device=device)
    last = torch.stack([prompt.hidden[-1] for prompt in prompts])
    tokens, hidden = [], []
    for step in range(count):
        token = model.head(last).argmax(dim=-1, keepdim=True)
        seen[:, :, longest + step] = True
        mask = seen[:, :, : longest + step + 1]
        output = model(token, lengths + step, mask=mask, past=past)
        past = [
            (torch.cat([old[0], new[0]], dim=2), torch.cat([old[1], new[1]], dim=2))
            for old, new in zip(past, output.keys_values, strict=True)
        ]
        last = output.hidden[:, 0]
        tokens.append(token[:, 0])
        hidden.append(last)
    made = torch.stack(tokens, dim=1).cpu().numpy()
    states = torch.stack(hidden, dim=1)
    return [
        _finish(prompt, made[i], states[i], [(k[i], v[i]) for k, v in past], longest, stops)
        for i, prompt in enumerate(prompts)
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Prompt:
    context: Context
    ids: np.ndarray
    keys_values: tuple[KeyValues, ...]
    hidden: torch.Tensor

    @classmethod
    def run(cls, model: Transformer, context: Context) -> _Prompt:
        device = model.embed_tokens.weight.device
        ids = context.ids[: context.middle_start]
        positions = torch.arange(len(ids), device=device).unsqueeze(0)
        output = model(torch.from_numpy(ids).to(device).unsqueeze(0), positions)
        return cls(
            context=context, ids=ids, keys_values=output.keys_values, hidden=output.hidden[0]
        )


def _layers(model: Transformer) -> range:
    return range(model.config.num_hidden_layers)


def _side_by_side(parts: list[KeyValues], longest: int) -> KeyValues:
    """One batch out of caches of different lengths; what is added at the end is never seen."""

    def padded(which: int) -> torch.Tensor:
        return torch.cat(
            [functional.pad(p[which], (0, 0, 0, longest - p[which].shape[2])) for p in parts]
        )

    return padded(0), padded(1)


def _finish(
    prompt: _Prompt,
    tokens: np.ndarray,
    hidden: torch.Tensor,
    past: list[KeyValues],
    longest: int,
    stops: frozenset[int],
) -> tuple[Context, ContextState]:
    stop = next((i for i, token in enumerate(tokens.tolist()) if token in stops), None)
    kept = len(tokens) if stop is None else stop
    old = prompt.context
    context = Context(
        ids=np.concatenate([prompt.ids, tokens[:kept]]),
        middle_start=old.middle_start,
        prefix_end=old.prefix_end,
        ends=stop is not None,
    )

    def own(cache: torch.Tensor) -> torch.Tensor:
        made = cache[:, longest : longest + kept]
        return torch.cat([cache[:, : len(prompt.ids)], made], dim=1).unsqueeze(0)

    state = ContextState(
        keys_values=tuple((own(keys), own(values)) for keys, values in past),
        hidden=torch.cat([prompt.hidden, hidden[:kept]]),
    )
    return context, state
