"""One probability from what decoding knows."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from midspan_engine.decoding.confidence import DEFAULT


def probability(mean: float, tokens: int = 8, lowest: float = -0.5) -> float:
    return DEFAULT.probability(
        mean_logprob=mean, lowest_logprob=lowest, suffix_logprob=0.0, tokens=tokens
    )


def test_surer_tokens_are_worth_more() -> None:
    assert probability(-0.05) > probability(-0.2) > probability(-0.6)
    assert probability(-0.05) > 0.6
    assert probability(-0.6) < 0.2


def test_a_sure_block_is_not_hidden_for_its_length() -> None:
    assert probability(-0.05, tokens=100) == probability(-0.05, tokens=16) > 0.45


@given(st.floats(-60, 0), st.floats(-60, 0), st.integers(0, 512))
def test_it_is_always_a_probability(mean: float, lowest: float, tokens: int) -> None:
    assert 0.0 <= probability(mean, tokens, lowest) <= 1.0
