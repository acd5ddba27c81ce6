from __future__ import annotations

from quality_report import report
from quality_run import Answer, Pair


def answer(text: str, passes: int, ms: float) -> Answer:
    return Answer(
        text=text,
        finish="line",
        confidence=0.5,
        mean_logprob=-0.1,
        lowest_logprob=-0.3,
        suffix_logprob=-1.0,
        tokens=6,
        passes=passes,
        drafted=4,
        accepted=3,
        decode_ms=ms,
        total_ms=ms,
    )


def pair(name: str, ar: Answer, ours: Answer) -> Pair:
    return Pair(
        task_id=name, ar=ar, ours=ours, ar_exact=True, ar_passed=True, exact=True, passed=False
    )


def test_answers_that_differ_are_named_and_the_probe_is_no_decoding_pass() -> None:
    same = pair("same", answer("x", 7, 80), answer("x", 4, 20))
    other = pair("other", answer("x", 7, 80), answer("y", 4, 80))
    found = report([same, other])
    assert found["identical"] == 1
    assert found["differ"] == ["other"]
    assert found["ours"]["tokens_per_pass"] == 2.0  # type: ignore[index]
    assert found["ar_over_ours_total"] == 2.0
    assert found["pass_at_1"] == 0.0
    assert found["ar_pass_at_1"] == 1.0
