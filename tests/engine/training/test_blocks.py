from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from midspan_engine.training.blocks import (
    MASKED,
    NO_TEACHER,
    BlockSettings,
    all_masked,
    plan_blocks,
)

if TYPE_CHECKING:
    from midspan_engine.training.spans import Context

END = 7


def test_a_row_predicts_the_token_after_its_own_place(context: Context) -> None:
    plan = all_masked(context, END, 3, np.array([21]))
    # Tokens 0 .. 21 are known; the first mask stands at 22 and is read for 23.
    assert plan.positions.tolist() == [22, 23, 24]
    assert plan.targets.tolist() == context.ids[23:26].tolist()
    assert plan.teacher_rows.tolist() == [22, 23, 24]
    assert plan.seen.tolist() == [22, 22, 22]


def test_the_end_follows_the_last_token_and_fills_the_block(context: Context) -> None:
    plan = all_masked(context, END, 4, np.array([26]))
    assert plan.targets.tolist() == [context.ids[28], END, END, END]
    assert plan.teacher_rows.tolist() == [27, NO_TEACHER, NO_TEACHER, NO_TEACHER]
    assert plan.weights[2] == pytest.approx(0.1)


def test_a_middle_that_was_cut_has_no_end(context: Context) -> None:
    cut = type(context)(ids=context.ids, middle_start=20, prefix_end=13, ends=False)
    for seed in range(20):
        plan = plan_blocks(cut, END, np.random.default_rng(seed), BlockSettings())
        assert END not in plan.targets


def test_rows_never_see_the_middle_after_their_start(context: Context) -> None:
    for seed in range(20):
        plan = plan_blocks(context, END, np.random.default_rng(seed), BlockSettings())
        groups = plan.groups(3)
        allowed = plan.attention(groups, len(context.ids))
        for row, sees in zip(groups.ravel(), allowed.reshape(-1, allowed.shape[-1]), strict=True):
            if row == len(plan.inputs):
                continue
            first_mask = plan.positions[row] - plan.depths[row]
            seen = np.flatnonzero(sees[: len(context.ids)])
            assert seen.tolist() == list(range(first_mask))


def test_rows_see_their_own_block_in_both_directions_and_no_other(context: Context) -> None:
    plan = plan_blocks(context, END, np.random.default_rng(1), BlockSettings())
    groups = plan.groups(2)
    own = plan.attention(groups, len(context.ids))[:, :, len(context.ids) :]
    numbers = np.append(plan.blocks, -1)[groups]
    for group in range(len(groups)):
        assert (own[group] == (numbers[group][:, None] == numbers[group][None, :])).all()


def test_groups_hold_every_row_once_and_never_split_a_block(context: Context) -> None:
    for count in (1, 2, 4, 50):
        plan = plan_blocks(context, END, np.random.default_rng(2), BlockSettings())
        groups = plan.groups(count)
        rows = groups[groups < len(plan.inputs)]
        assert rows.tolist() == list(range(len(plan.inputs)))
        owners = [set(plan.blocks[g[g < len(plan.inputs)]]) for g in groups]
        assert sum(map(len, owners)) == len(set(plan.blocks))


def test_blocks_in_the_prefix_never_see_or_predict_beyond_it(context: Context) -> None:
    for seed in range(20):
        plan = plan_blocks(context, END, np.random.default_rng(seed), BlockSettings())
        early = plan.seen <= context.prefix_end
        assert early.any()
        assert (plan.teacher_rows[early] < context.prefix_end - 1).all()


def test_every_block_trains_its_first_masked_place(context: Context) -> None:
    settings = BlockSettings(scattered_share=1.0)
    for seed in range(20):
        plan = plan_blocks(context, END, np.random.default_rng(seed), settings)
        assert (plan.inputs[plan.depths == 0] == MASKED).all()
        trained = {int(block) for block in plan.blocks[plan.weights > 0]}
        assert trained == {int(block) for block in plan.blocks}


def test_a_known_token_is_never_a_target(context: Context) -> None:
    settings = BlockSettings(scattered_share=1.0, lengths=(8,), length_shares=(1.0,))
    found = 0
    for seed in range(20):
        plan = plan_blocks(context, END, np.random.default_rng(seed), settings)
        for row in np.flatnonzero(plan.inputs != MASKED):
            found += 1
            # The row before predicts the token that this row holds.
            assert plan.weights[row - 1] == 0
            assert plan.inputs[row] == plan.targets[row - 1]
    assert found
