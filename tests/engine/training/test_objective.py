from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional

from midspan_engine.models.adapter import Adapter
from midspan_engine.training.blocks import BlockSettings, all_masked, plan_blocks
from midspan_engine.training.cut_head import SoftCrossEntropy
from midspan_engine.training.objective import LossSettings, Objective

if TYPE_CHECKING:
    from midspan_engine.training.blocks import BlockPlan
    from midspan_engine.training.spans import Context

END = 7


def _adapter(objective: Objective) -> Adapter:
    torch.manual_seed(5)
    adapter = Adapter(objective.model.config, rank=4, alpha=8.0)
    for parameter in adapter.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return adapter


def _gradients(objective: Objective, context: Context, plan: BlockPlan) -> torch.Tensor:
    adapter = _adapter(objective)
    state = objective.context(context.ids)
    objective.loss(adapter, context.ids, plan, state).total.backward()  # type: ignore[no-untyped-call]
    return torch.cat([p.grad.flatten() for p in adapter.parameters() if p.grad is not None])


def test_changing_later_tokens_of_the_middle_does_not_move_a_row(
    objective: Objective, context: Context
) -> None:
    adapter = _adapter(objective)
    plan = all_masked(context, END, 3, np.array([21, 24]))
    changed = context.ids.copy()
    changed[23:] = 99
    before, after = (
        objective.block_hidden(adapter, objective.context(ids), plan)
        for ids in (context.ids, changed)
    )
    torch.testing.assert_close(before[:3], after[:3])
    assert (before[3:] - after[3:]).abs().max() > 1e-3


def test_rows_do_not_depend_on_the_other_blocks(objective: Objective, context: Context) -> None:
    adapter = _adapter(objective)
    state = objective.context(context.ids)
    together = objective.block_hidden(
        adapter, state, all_masked(context, END, 3, np.arange(19, 26))
    )
    alone = objective.block_hidden(adapter, state, all_masked(context, END, 3, np.array([22])))
    torch.testing.assert_close(together[9:12], alone, atol=1e-5, rtol=1e-4)


def test_rows_of_weight_zero_teach_nothing(objective: Objective, context: Context) -> None:
    plan = all_masked(context, END, 4, np.array([20, 22]))
    weights = plan.weights.copy()
    weights[[1, 6]] = 0
    targets = plan.targets.copy()
    targets[[1, 6]] = 3
    teachers = plan.teacher_rows.copy()
    teachers[[1, 6]] = 5
    silent = dataclasses.replace(plan, weights=weights)
    misled = dataclasses.replace(silent, targets=targets, teacher_rows=teachers)
    first, second = (_gradients(objective, context, p) for p in (silent, misled))
    torch.testing.assert_close(first, second)
    assert (_gradients(objective, context, plan) - first).abs().max() > 1e-4


def test_the_frozen_weights_get_no_gradient(objective: Objective, context: Context) -> None:
    plan = plan_blocks(context, END, np.random.default_rng(0), BlockSettings())
    gradients = _gradients(objective, context, plan)
    assert torch.isfinite(gradients).all()
    assert gradients.abs().max() > 0
    assert all(p.grad is None for p in objective.model.parameters())


def test_distillation_pulls_towards_the_base_and_not_the_file(
    objective: Objective, context: Context
) -> None:
    plan = all_masked(context, END, 1, np.arange(19, 27))
    state = objective.context(context.ids)
    base = functional.softmax(
        objective.model.head(state.hidden[torch.from_numpy(plan.teacher_rows)]), dim=-1
    )

    def divergence(distill: float) -> float:
        settings = LossSettings(distill=distill, off_path_weight=1.0)
        vocabulary = np.arange(objective.model.config.vocab_size)
        trained = Objective(objective.model, vocabulary, settings)
        adapter = _adapter(trained)
        optimizer = torch.optim.Adam(adapter.parameters(), lr=1e-2)
        for _ in range(15):
            optimizer.zero_grad()
            trained.loss(adapter, context.ids, plan, state).total.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        logits = trained.model.head(trained.block_hidden(adapter, state, plan).detach())
        return float(functional.kl_div(logits.log_softmax(-1), base, reduction="batchmean"))

    assert divergence(1.0) < divergence(0.0)


def test_rows_behind_a_token_the_base_would_not_choose_count_less(
    objective: Objective, context: Context
) -> None:
    plan = all_masked(context, END, 1, np.arange(19, 26))
    state = objective.context(context.ids)
    greedy = objective.model.head(state.hidden[:-1]).argmax(dim=-1).numpy()
    agrees = [greedy[start] == context.ids[start + 1] for start in range(19, 26)]
    weight = objective.loss(_adapter(objective), context.ids, plan, state).weight
    assert abs(weight - sum(1.0 if ok else 0.35 for ok in agrees)) < 1e-4
    followed = context.ids.copy()
    followed[20] = greedy[19]
    one = all_masked(context, END, 1, np.array([19]))
    state = objective.context(followed)
    assert objective.loss(_adapter(objective), followed, one, state).weight == 1.0


def test_tokens_outside_the_kept_vocabulary_have_no_hard_target(
    objective: Objective, context: Context
) -> None:
    settings = LossSettings(distill=0.0, off_path_weight=1.0)
    kept = np.array([t for t in range(objective.model.config.vocab_size) if t != context.ids[22]])
    narrow = Objective(objective.model, kept, settings)
    plan = all_masked(context, END, 1, np.array([20]))
    state = narrow.context(context.ids)
    assert float(narrow.loss(_adapter(narrow), context.ids, plan, state).total.detach()) == 0.0


def test_fused_head_equals_autograd() -> None:
    torch.manual_seed(0)
    hidden = torch.randn(6, 16, requires_grad=True)
    head, weights = torch.randn(50, 16), torch.rand(6)
    places = torch.stack([torch.randperm(50)[:4] for _ in range(6)])
    masses = torch.rand(6, 4)
    total, best = SoftCrossEntropy.apply(hidden, head, places, masses, weights)  # type: ignore[no-untyped-call]
    (total * 3).backward()
    fused = hidden.grad
    hidden.grad = None
    logits = hidden @ head.t()
    plain = -(logits.log_softmax(-1).gather(1, places) * masses * weights.unsqueeze(1)).sum()
    (plain * 3).backward()  # type: ignore[no-untyped-call]
    torch.testing.assert_close(total, plain)
    torch.testing.assert_close(fused, hidden.grad)
    assert torch.equal(best, logits.argmax(-1))
