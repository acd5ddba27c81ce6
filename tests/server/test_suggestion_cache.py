from __future__ import annotations

import pytest

from midspan_server import suggestion_cache
from midspan_server.snapshot import DocumentSnapshot
from midspan_server.suggestion_cache import Suggestion, SuggestionCache, typed_since

CURSOR = "|"


def _at(marked: str) -> tuple[DocumentSnapshot, int]:
    """Return the document and the offset of a text with the cursor marked."""
    offset = marked.index(CURSOR)
    text = marked.replace(CURSOR, "")
    return DocumentSnapshot("file:///a.py", None, 1, "python", text), offset


def _cache(marked: str, *texts: str, invoked: bool = False) -> SuggestionCache:
    cache = SuggestionCache()
    suggestions = tuple(
        Suggestion(id=str(number), text=text, confidence=0.9) for number, text in enumerate(texts)
    )
    cache.put(*_at(marked), suggestions, invoked=invoked)
    return cache


def _texts(cache: SuggestionCache, marked: str, *, invoked: bool = False) -> list[str] | None:
    hit = cache.get(*_at(marked), invoked=invoked)
    return None if hit is None else [suggestion.text for suggestion in hit.suggestions]


@pytest.mark.parametrize(
    ("now", "rest"),
    [
        ("x = |\ny", ["get(1)"]),
        ("x = ge|\ny", ["t(1)"]),
        ("x = get(1|\ny", [")"]),
        ("x = get(1)|\ny", None),
        ("x = gt|\ny", None),
        ("x =|\ny", None),
        ("x = ge|\nz", None),
        ("y = ge|\ny", None),
    ],
)
def test_what_was_typed_as_suggested_is_cut_from_the_suggestion(
    now: str, rest: list[str] | None
) -> None:
    assert _texts(_cache("x = |\ny", "get(1)"), now) == rest


def test_the_id_stays_and_the_typed_part_is_counted() -> None:
    hit = _cache("x = |", "get(1)").get(*_at("x = get|"), invoked=False)
    assert hit is not None
    assert (hit.suggestions[0].id, hit.suggestions[0].typed) == ("0", 3)


def test_a_closer_that_the_editor_inserted_does_not_spoil_the_fit() -> None:
    hit = _cache("x = |\ny", "get(1)").get(*_at("x = get(|)\ny"), invoked=False)
    assert hit is not None
    assert (hit.closers, [one.text for one in hit.suggestions]) == (")", ["1)"])


def test_other_text_behind_the_cursor_is_no_closer() -> None:
    assert _texts(_cache("x = |\ny", "get(1)"), "x = get|a\ny") is None


def test_typed_line_ends_may_be_crlf() -> None:
    assert _texts(_cache("if x:|\r\n", "\n    y = 1"), "if x:\r\n    y|\r\n") == [" = 1"]


def test_an_empty_answer_is_remembered_at_its_place_only() -> None:
    cache = _cache("x = |")
    assert _texts(cache, "x = |") == []
    assert _texts(cache, "x = a|") is None


def test_a_request_by_hand_wants_what_was_made_by_hand() -> None:
    assert _texts(_cache("x = |", "a"), "x = |", invoked=True) is None
    assert _texts(_cache("x = |", "a", "b", invoked=True), "x = |", invoked=True) == ["a", "b"]
    assert _texts(_cache("x = |", "a", "b", invoked=True), "x = |") == ["a", "b"]


def test_the_nearest_origin_wins() -> None:
    cache = _cache("x = |", "get_all()")
    nearer = Suggestion(id="n", text="_one()", confidence=0.9)
    cache.put(*_at("x = get|"), (nearer,), invoked=False)
    assert _texts(cache, "x = get_|") == ["one()"]


def test_the_oldest_entries_go_first() -> None:
    cache = SuggestionCache(limit=2)
    for name in "abc":
        suggestion = Suggestion(id=name, text="rest", confidence=0.9)
        cache.put(*_at(f"{name} = |"), (suggestion,), invoked=False)
    assert _texts(cache, "a = |") is None
    assert _texts(cache, "b = r|") == ["est"]
    assert _texts(cache, "c = |") == ["rest"]


def test_old_suggestions_are_not_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    cache = _cache("x = |", "a")
    monkeypatch.setattr(suggestion_cache, "_MOST_AGE_S", 0.0)
    assert _texts(cache, "x = |") is None


def test_an_edit_far_from_the_cursor_makes_a_suggestion_old() -> None:
    far = "# a line that is far away\n" * 30
    cache = _cache(f"a = 1\n{far}x = |\n{far}b = 1", "get(1)")
    assert _texts(cache, f"a = 1\n{far}x = ge|\n{far}b = 1") == ["t(1)"]
    assert _texts(cache, f"a = 2\n{far}x = |\n{far}b = 1") is None
    assert _texts(cache, f"a = 1\n{far}x = |\n{far}b = 2") is None


@pytest.mark.parametrize(
    "other",
    [
        DocumentSnapshot("file:///a.py", None, 1, "ruby", "x = "),
        DocumentSnapshot("file:///b.py", None, 1, "python", "x = "),
    ],
)
def test_another_document_or_language_wants_a_suggestion_of_its_own(
    other: DocumentSnapshot,
) -> None:
    cache = _cache("x = |", "get(1)")
    assert cache.get(other, 4, invoked=False) is None
    assert typed_since(_at("x = |")[0], 4, other, 4) is None


def test_an_edit_far_away_is_no_typing() -> None:
    far = "# a line that is far away\n" * 30
    assert typed_since(*_at(f"a = 1\n{far}x = |"), *_at(f"a = 1\n{far}x = g|")) == "g"
    assert typed_since(*_at(f"a = 1\n{far}x = |"), *_at(f"a = 2\n{far}x = g|")) is None


def test_clearing_forgets_everything() -> None:
    cache = _cache("x = |", "a")
    cache.clear()
    assert _texts(cache, "x = |") is None


@pytest.mark.parametrize(
    ("now", "typed"),
    [
        ("x = |\n", ""),
        ("x = a(|\n", "a("),
        ("x = a(|)\n", "a("),
        ("x|\n", None),
        ("y = a|\n", None),
    ],
)
def test_typing_since_an_origin(now: str, typed: str | None) -> None:
    snapshot, offset = _at("x = |\n")
    assert typed_since(snapshot, offset, *_at(now)) == typed
