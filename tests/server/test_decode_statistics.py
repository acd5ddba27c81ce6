from __future__ import annotations

from midspan_engine.protocol import DecodeStats
from midspan_server.decode_statistics import DecodeStatistics
from midspan_server.suggestion_cache import Suggestion


def _suggestion(name: str, passes: int = 1) -> Suggestion:
    return Suggestion(id=name, text="x", confidence=0.5, stats=DecodeStats(passes=passes))


def test_figures_are_found_by_the_suggestions_id() -> None:
    statistics = DecodeStatistics()
    statistics.note([_suggestion("a", 3), _suggestion("b", 4)])
    assert statistics.of("a") == DecodeStats(passes=3)
    assert statistics.of("b") == DecodeStats(passes=4)
    assert statistics.of("c") is None


def test_the_oldest_are_forgotten_first_and_use_counts_as_new() -> None:
    statistics = DecodeStatistics()
    statistics.note(_suggestion(str(number)) for number in range(200))
    statistics.note([_suggestion("0"), _suggestion("new")])
    assert statistics.of("0") is not None
    assert statistics.of("1") is None
    assert statistics.of("2") is not None
