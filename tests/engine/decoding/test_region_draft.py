"""Where in the region the answer stands, and what is guessed there."""

from __future__ import annotations

import pytest

from midspan_engine.decoding.drafts import LookupDraft
from midspan_engine.decoding.region_draft import LOOK_UP_CHANCES, RegionDraft

REGION = list(range(100, 140))
END = 0


def draft(*references: list[int], prompt: tuple[int, ...] = ()) -> RegionDraft:
    return RegionDraft(
        [[*reference, END] for reference in references or (REGION,)],
        LookupDraft([prompt, []], chances=LOOK_UP_CHANCES),
    )


def guessed(one: RegionDraft, answer: list[int], least: float = 0.3) -> list[int]:
    """What is guessed after `answer`, taken token by token."""
    for token in answer:
        one.extend([token])
    return list(one.propose(answer, 20, least).tokens)


def test_what_was_copied_goes_on_to_the_end_mark() -> None:
    assert guessed(draft(), REGION[:5]) == REGION[5:25]
    assert guessed(draft(), REGION[:36]) == [*REGION[36:], END]
    assert guessed(draft(), REGION) == [END]


@pytest.mark.parametrize(
    ("answer", "goes_on_at"),
    [
        pytest.param([*REGION[:9], 7, *REGION[10:12]], 12, id="one token for another"),
        pytest.param([*REGION[:9], 7, 8, 9, *REGION[10:12]], 12, id="three for one"),
        pytest.param([*REGION[:9], 7, *REGION[12:14]], 14, id="one for three"),
        pytest.param([*REGION[:9], 7, 8, *REGION[9:11]], 11, id="two more"),
        pytest.param([*REGION[:9], *range(50, 70), *REGION[9:11]], 11, id="twenty more"),
        pytest.param([*REGION[:9], *REGION[11:13]], 13, id="two less"),
        pytest.param([*REGION[:5], *REGION[30:32]], 32, id="twenty-five less"),
        pytest.param([7, *REGION[1:3]], 3, id="the first"),
    ],
)
def test_it_finds_back_after_a_change(answer: list[int], goes_on_at: int) -> None:
    expected = [*REGION, END][goes_on_at:]
    assert guessed(draft(), answer)[: len(expected)] == expected[:20]


def test_within_a_change_only_the_prompt_is_worth_a_row() -> None:
    assert guessed(draft(), [*REGION[:9], 7]) == []
    told = draft(prompt=(*REGION[7:9], 7, 8, 9, 10))
    assert guessed(told, [*REGION[:9], 7])[:2] == [8, 9]


def test_the_guess_behind_one_new_token_is_what_follows_the_one_it_replaces() -> None:
    assert guessed(draft(), [*REGION[:9], 7], least=0.1)[:3] == REGION[10:13]


def test_the_likelier_reference_leads_until_the_answer_leaves_it() -> None:
    likelier = [*REGION[:10], 7, 8, *REGION[11:]]
    assert guessed(draft(likelier, REGION), REGION[:8])[:4] == [*REGION[8:10], 7, 8]
    kept = guessed(draft(likelier, REGION), REGION[:12])
    assert kept[:3] == REGION[12:15]


def test_a_word_that_comes_twice_does_not_lead_astray() -> None:
    region = [1, 2, 3, 4, 5, 6, 7, 3, 8, 9]
    assert guessed(draft(region), [1, 2, 3])[:2] == [4, 5]
    assert guessed(draft(region), [1, 2, 3, 4, 5, 6, 7, 3])[:2] == [8, 9]
