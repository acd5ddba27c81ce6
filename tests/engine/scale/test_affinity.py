"""Who serves a session."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from midspan_engine.scale.affinity import by_preference, in_order, session_of

SESSIONS = [f"session-{number}" for number in range(400)]
REPLICAS = ["a1", "b2", "c3", "d4"]


def home(session: str, replicas: list[str]) -> str:
    return by_preference(session, replicas)[0]


def test_everybody_agrees_whatever_the_order_in_which_replicas_are_known() -> None:
    for session in SESSIONS:
        assert by_preference(session, REPLICAS) == by_preference(session, REPLICAS[::-1])


def test_only_the_sessions_of_a_replica_that_died_move_and_they_spread() -> None:
    left = [name for name in REPLICAS if name != "b2"]
    moved = [session for session in SESSIONS if home(session, REPLICAS) != home(session, left)]
    assert moved == [session for session in SESSIONS if home(session, REPLICAS) == "b2"]
    assert set(Counter(home(session, left) for session in moved)) == set(left)


def test_a_new_replica_takes_its_share_and_moves_nothing_else() -> None:
    more = [*REPLICAS, "e5"]
    moved = [session for session in SESSIONS if home(session, REPLICAS) != home(session, more)]
    assert {home(session, more) for session in moved} == {"e5"}
    assert 40 < len(moved) < 120  # a fifth of 400


def test_sessions_are_spread_evenly() -> None:
    counts = Counter(home(session, REPLICAS) for session in SESSIONS)
    assert min(counts.values()) > 60
    assert max(counts.values()) < 140


def test_a_session_stays_while_its_replica_is_not_much_fuller_than_the_emptiest() -> None:
    best, second, *_ = by_preference("s", REPLICAS)
    loads = dict.fromkeys(REPLICAS, 1)
    assert in_order("s", loads | {best: 4}, spill=3)[0] == best
    assert in_order("s", loads | {best: 5}, spill=3)[0] == second
    assert in_order("s", loads | {best: 5}, spill=3)[-1] == best


def test_what_has_no_session_goes_where_there_is_least_to_do() -> None:
    assert in_order("", {"a": 3, "b": 0, "c": 1}) == ["b", "c", "a"]


@given(st.text(), st.dictionaries(st.text(min_size=1), st.integers(0, 50), max_size=8))
def test_every_replica_is_tried_once(session: str, loads: dict[str, int]) -> None:
    order = in_order(session, loads)
    assert sorted(order) == sorted(loads)
    assert not order or loads[order[0]] <= min(loads.values()) + 7


def test_a_session_is_named_by_header_then_by_user_then_by_address() -> None:
    def of(**given: str) -> str:
        return session_of(**{"key": "k", "named": "", "user": "", "address": "1.2.3.4"} | given)

    assert of(named="n", user="u") == of(named="n", user="v", address="5.6.7.8")
    assert of(user="u") == of(user="u", address="5.6.7.8")
    assert len({of(), of(address="5.6.7.8"), of(user="x"), of(named="x"), of(key="l")}) == 5
