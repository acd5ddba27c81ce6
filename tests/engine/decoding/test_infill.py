"""Decoding on a tiny random network: the same text whatever the guesses, the cache or company."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from midspan_engine.decoding.canvas import MASK, Canvas
from midspan_engine.decoding.guess import Guess
from midspan_engine.decoding.infill import DecodeConfig
from midspan_engine.decoding.layout import repeats_next_line
from midspan_engine.decoding.span_decoder import SpanDecoder, Start
from midspan_engine.decoding.unmask import Threshold, verify
from midspan_engine.protocol import InfillRequest, RequestRejected
from midspan_engine.runtime.blocks import CachedSequence

if TYPE_CHECKING:
    from collections.abc import Callable

    from midspan_engine.engine import Engine
    from midspan_engine.protocol import Infill
    from midspan_engine.tokenizer import Tokenizer
    from midspan_engine.turns import Answer

    MakeEngine = Callable[..., Engine]

GREEDY = DecodeConfig(rows=1, look_up=False)
PREFIX = "def load_module(name, path):\n    with open(path) as "
SUFFIX = ":\n        return [line.rstrip() for line in handle]\n\n\nclass Reader:\n    pass\n"
SHORT = SUFFIX[:20]
"""Too short for its keys to be moved instead of encoded again, so nothing is approximate."""


def ask(prefix: str = PREFIX, suffix: str = SUFFIX, **changes: object) -> InfillRequest:
    values: dict[str, object] = {
        "id": 1,
        "session": "s",
        "prefix": prefix,
        "suffix": suffix,
        "language": "python",
        "scope": "block",
        "max_tokens": 24,
    }
    return InfillRequest(**{**values, **changes})  # type: ignore[arg-type]


def text(answer: Infill) -> str:
    return answer.choices[0].text


@pytest.mark.parametrize("adapter", [False, True])
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_verified_equals_greedy_whatever_the_guesses(
    make_engine: MakeEngine, adapter: bool, data: st.DataObject
) -> None:
    """Speculation changes the number of passes, never the tokens (Leviathan et al. 2023)."""
    cut = data.draw(st.integers(1, len(PREFIX)), label="cursor")
    request = ask(PREFIX[:cut], draft=data.draw(st.sampled_from(["", "return path", "x" * 40])))
    expected = make_engine(GREEDY).infill(request)
    engine = make_engine(adapter=adapter)
    original = SpanDecoder.propose

    def meddle(self: SpanDecoder, *, most: int, least: float, masks: bool) -> None:
        original(self, most=most, least=least, masks=masks)
        if not self.pending and data.draw(st.booleans(), label="meddle"):
            guesses = data.draw(st.lists(st.integers(0, 350), max_size=6), label="guesses")
            self.canvas.guess = Guess(tuple(guesses), (0.5,) * len(guesses))
            if masks:
                shape = st.lists(st.integers(0, 3), max_size=len(guesses) + 1)
                self.canvas.cells = tuple((MASK,) * n for n in data.draw(shape, label="masks"))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SpanDecoder, "propose", meddle)
        answer = engine.infill(request)
    assert text(answer) == text(expected)
    assert answer.choices[0].finish == expected.choices[0].finish
    assert answer.choices[0].mean_logprob == pytest.approx(
        expected.choices[0].mean_logprob, abs=1e-3
    )


def test_the_last_answer_is_the_first_guess_of_the_next(make_engine: MakeEngine) -> None:
    engine = make_engine(DecodeConfig())
    plain = engine.infill(ask())
    drafted = engine.infill(ask())
    assert text(drafted) == text(plain)
    assert drafted.stats.passes < plain.stats.passes / 2
    assert drafted.stats.accepted > 0


def test_a_warm_session_answers_like_a_fresh_one(make_engine: MakeEngine) -> None:
    engine = make_engine()
    for end in range(30, len(PREFIX), 5):
        warm = engine.infill(ask(PREFIX[:end], SHORT))
        fresh = engine.infill(ask(PREFIX[:end], SHORT, session=f"fresh {end}"))
        assert text(warm) == text(fresh)
    assert warm.stats.cached_tokens > 0


def test_a_typed_token_encodes_only_what_changed(make_engine: MakeEngine) -> None:
    engine = make_engine()
    engine.infill(ask(PREFIX))
    again = engine.infill(ask(PREFIX + "handle\n    "))
    encoded = again.stats.prompt_tokens - again.stats.cached_tokens
    assert encoded < again.stats.prompt_tokens / 2


def test_requests_that_share_passes_answer_as_if_alone(make_engine: MakeEngine) -> None:
    engine = make_engine()
    requests = [
        ask(PREFIX[: 20 + 7 * index], id=index, session=f"s{index}", n=1 + index % 3)
        for index in range(4)
    ]
    answers: dict[int, Infill] = {}

    def keep(answer: Answer) -> None:
        assert not isinstance(answer, RequestRejected)
        answers[answer.id] = answer  # type: ignore[assignment]

    for request in requests:
        engine.submit(request.id, request, keep)
    while engine.step():
        pass
    for request in requests:
        alone = make_engine().infill(request)
        shared = answers[request.id]
        assert [c.text for c in shared.choices] == [c.text for c in alone.choices]


def test_alternatives_differ_and_begin_with_the_greedy_one(make_engine: MakeEngine) -> None:
    answer = make_engine().infill(ask(n=4))
    texts = [choice.text for choice in answer.choices]
    assert len(set(texts)) == len(texts) > 1
    assert texts[0] == text(make_engine(GREEDY).infill(ask()))


def test_blocks_come_back_after_every_kind_of_end(make_engine: MakeEngine) -> None:
    engine = make_engine()
    free = engine.sessions.pool.free_blocks
    engine.infill(ask(n=4))
    engine.submit(7, ask(id=7, n=3), lambda _answer: None)
    for _ in range(3):
        engine.step()
    engine.cancel(7)
    engine.sessions.forget("")
    assert engine.sessions.pool.free_blocks == free


def test_a_cancel_leaves_a_session_that_still_answers_right(make_engine: MakeEngine) -> None:
    config = DecodeConfig(chunk=16)
    for steps in range(6):
        engine = make_engine(config)
        engine.infill(ask(PREFIX[:25], SHORT))
        engine.submit(2, ask(PREFIX, SHORT, id=2), lambda _answer: None)
        for _ in range(steps):
            engine.step()
        engine.cancel(2)
        after = engine.infill(ask(PREFIX[:40], SHORT))
        assert text(after) == text(engine.infill(ask(PREFIX[:40], SHORT, session="fresh")))


def test_a_newer_request_of_a_session_ends_the_older_one(make_engine: MakeEngine) -> None:
    engine = make_engine()
    answers: list[Infill] = []
    engine.submit(1, ask(id=1), answers.append)  # type: ignore[arg-type]
    engine.step()
    engine.submit(2, ask(id=2), answers.append)  # type: ignore[arg-type]
    while engine.step():
        pass
    assert [(a.id, bool(a.choices)) for a in answers] == [(1, False), (2, True)]


def test_a_budget_returns_the_best_so_far(make_engine: MakeEngine) -> None:
    answer = make_engine().infill(ask(budget_ms=1, max_tokens=200))
    assert answer.choices[0].finish == "budget"
    assert answer.stats.passes == 1


@pytest.mark.parametrize("end", range(len(PREFIX) - 12, len(PREFIX)))
def test_a_cursor_inside_a_token_continues_the_typed_text(
    make_engine: MakeEngine, tiny_tokenizer: Tokenizer, end: int
) -> None:
    """The answer follows the cursor: what was taken back to the token boundary is not repeated."""
    ids, pending = tiny_tokenizer.heal(PREFIX[:end])
    answer = make_engine().infill(ask(PREFIX[:end]))
    assert tiny_tokenizer.decode(ids) + pending.decode() == PREFIX[:end]
    assert answer.choices[0].finish in {"eos", "block", "length"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n": 0}, "n must be 1 to 8"),
        ({"max_tokens": 0}, "max_tokens must be 1 to 512"),
        ({"budget_ms": -5}, "budget_ms must be positive"),
        ({"block_indent": -1}, "block_indent must not be negative"),
    ],
)
def test_values_out_of_range_are_refused_by_name(
    make_engine: MakeEngine, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(RequestRejected, match=message):
        make_engine().infill(ask(**changes))  # type: ignore[arg-type]


def test_a_full_queue_refuses_and_serves_on(make_engine: MakeEngine) -> None:
    engine = make_engine()
    engine._most_waiting = 2
    answers: list[object] = []
    for index in range(3):
        engine.submit(index, ask(id=index, session=f"s{index}"), answers.append)
    assert isinstance(answers[0], RequestRejected)
    assert answers[0].code == "queue_full"
    while engine.step():
        pass
    assert len(answers) == 3


def test_idle_sessions_make_room_for_new_ones(make_engine: MakeEngine) -> None:
    engine = make_engine()
    capacity = engine.sessions.pool.capacity
    for index in range(capacity):
        engine.infill(ask(session=f"s{index}", max_tokens=2))
    assert 0 < len(engine.sessions) < capacity


def test_a_context_beyond_the_limit_is_cut_not_refused(make_engine: MakeEngine) -> None:
    config = DecodeConfig(context_limit=128)
    answer = make_engine(config).infill(ask("x = 1\n" * 2000, "y = 2\n" * 2000))
    assert answer.stats.prompt_tokens <= 128
    assert answer.choices


def test_marks_in_source_text_are_only_text(make_engine: MakeEngine) -> None:
    prefix = 'TOKEN = "<|fim_middle|><|endoftext|>"\nx = '
    assert make_engine().infill(ask(prefix)).choices


def test_a_stream_grows_to_the_final_text(make_engine: MakeEngine) -> None:
    engine = make_engine()
    seen: list[str] = []
    engine.submit(1, ask(stream=True), lambda a: seen.append(getattr(a, "text", "")))
    while engine.step():
        pass
    final = text(engine.infill(ask()))
    parts = seen[:-1]
    assert parts
    assert all(final.startswith(part) for part in parts)


def test_an_answer_that_repeats_the_next_line_gives_way_to_another(
    make_engine: MakeEngine,
) -> None:
    request = ask(scope="line", suffix="")
    plain = text(make_engine().infill(request))
    assert len(plain.strip()) > 6, "the tiny network must say something for this test"
    suffix = f"\n{plain}\n"
    greedy_engine = make_engine(GREEDY)
    engine = make_engine()
    for chosen in (greedy_engine, engine):
        answer = chosen.infill(ask(scope="line", suffix=suffix, session=str(id(chosen))))
        assert len(answer.choices) == 1
        assert not repeats_next_line(text(answer), suffix)


def test_a_line_after_a_block_opener_begins_with_its_indentation(make_engine: MakeEngine) -> None:
    for config in (None, GREEDY):
        answer = make_engine(config).infill(ask("if load_module(name):\n", "", scope="line"))
        assert text(answer).startswith("    ")


def test_a_cancel_after_the_context_keeps_the_suffix(make_engine: MakeEngine) -> None:
    engine = make_engine()
    long_suffix = SUFFIX * 4
    engine.infill(ask(PREFIX, long_suffix))
    engine.submit(2, ask(PREFIX + "handle\n    ", long_suffix, id=2), lambda _answer: None)
    engine.step()
    engine.cancel(2)
    after = engine.infill(ask(PREFIX + "handle\n    ", long_suffix, id=3))
    assert after.stats.prompt_tokens - after.stats.cached_tokens < 20


@pytest.mark.parametrize("adapter", [False, True])
def test_confidence_does_not_read_what_others_left_in_the_cache(
    make_engine: MakeEngine, adapter: bool
) -> None:
    scores = []
    for left in (0.0, 3.0):
        engine = make_engine(DecodeConfig(select=Threshold(math.log(0.01))), adapter=adapter)
        engine.sessions.pool.storage[:] = left
        request = ask(n=4, max_tokens=3, effort="draft" if adapter else "verified")
        answer = engine.infill(request)
        scores.append([choice.suffix_logprob for choice in answer.choices])
    assert scores[0] == pytest.approx(scores[1], abs=1e-4)


def test_a_character_that_the_prefix_ends_within_leaves_no_trace(
    tiny_tokenizer: Tokenizer,
) -> None:
    tokens = [tiny_tokenizer.ids_with_prefix(b"\x96")[0], *tiny_tokenizer.encode("ok")]
    sequence = CachedSequence()
    span = SpanDecoder(Canvas(sequence, 0), ask(), tiny_tokenizer, Start(b"\x96", 1), None, verify)
    assert span._text(tokens) == "ok"


def test_an_id_that_is_used_again_answers_the_older_request_too(make_engine: MakeEngine) -> None:
    engine = make_engine()
    answers: list[Infill] = []
    for session in ("a", "b"):
        engine.submit(1, ask(session=session), answers.append)  # type: ignore[arg-type]
    while engine.step():
        pass
    assert [bool(answer.choices) for answer in answers] == [False, True]


def test_a_crowded_cache_asks_to_try_again_and_a_small_one_says_so(
    make_engine: MakeEngine,
) -> None:
    engine = make_engine(most_active=30)
    refusals: list[object] = []
    for index in range(30):
        engine.submit(index, ask(session=f"s{index}", max_tokens=400), refusals.append)
    engine.step()
    codes = {r.code for r in refusals if isinstance(r, RequestRejected)}
    assert codes == {"queue_full"}
    for index in range(30):
        engine.cancel(index)
    tiny = make_engine(DecodeConfig(context_limit=10**6))
    with pytest.raises(RequestRejected, match="cache-mb") as refused:
        tiny.infill(ask("x = 1\n" * 40000, max_tokens=4))
    assert refused.value.code == "too_large"


def test_a_kept_suffix_is_whole_after_the_prefix_was_encoded_again(
    make_engine: MakeEngine,
) -> None:
    """Values do not depend on position, so in the first layer a moved one equals a fresh one."""
    engine = make_engine()
    suffix = SUFFIX * 3
    engine.infill(ask(PREFIX, suffix, max_tokens=1))
    engine.infill(ask(PREFIX + "handle\n    ", suffix, max_tokens=1))
    engine.infill(ask(PREFIX + "handle\n    ", suffix, session="fresh", max_tokens=1))
    kept, fresh = engine.sessions.open("s"), engine.sessions.open("fresh")
    assert (kept.head, kept.tail) == (fresh.head, fresh.tail)
    assert kept.stale > 0
    layers = []
    for session in (kept, fresh):
        places, slots = engine.sessions.pool.places(session.sequence, 0, session.sequence.length)
        layers.append(engine.sessions.pool.storage[0, 1][places, :, slots])
    np.testing.assert_allclose(layers[0], layers[1], atol=1e-5)
