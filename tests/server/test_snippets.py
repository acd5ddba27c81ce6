"""Snippets of other open files: what is chosen, in which order, and how much."""

from __future__ import annotations

from itertools import count
from pathlib import Path

from midspan_server.snapshot import DocumentSnapshot
from midspan_server.snippets import MAX_INDEXED_CHARS, OpenDocument, choose, identifiers, index

_numbers = count()

_CART = """\
import decimal

class ShoppingCart:
    def total_price(self, discount):
        return sum(item.price for item in self.items) - discount

    def add_item(self, item):
        self.items.append(item)
"""
_LOG = """\
import logging

def configure_logging(verbosity):
    logging.basicConfig(level=verbosity)
"""
_QUERY = identifiers("cart = ShoppingCart()\nprint(cart.total_price(discount=3))\n")


def _open(
    text: str, name: str = "a.py", last_used: float = 0.0, language: str = "python"
) -> OpenDocument:
    uri = f"file:///snippets/{next(_numbers)}/{name}"
    path = Path("/project/src") / name
    return OpenDocument(DocumentSnapshot(uri, path, 1, language, text), last_used)


def test_identifiers_leave_out_short_and_everyday_words() -> None:
    assert set(identifiers("return self.price if x else compute_price(10)")) == {
        "price",
        "compute_price",
    }


def test_the_file_that_defines_what_is_used_is_chosen() -> None:
    (snippet,) = choose(_QUERY, [_open(_LOG), _open(_CART, "cart.py")], 600)
    assert snippet.path == "src/cart.py"
    assert "def total_price(self, discount)" in snippet.text


def test_nothing_is_chosen_where_nothing_is_shared() -> None:
    assert choose(_QUERY, [_open(_LOG)], 600) == ()
    assert choose(identifiers(""), [_open(_CART)], 600) == ()
    assert choose(_QUERY, [], 600) == ()


def test_one_identifier_is_enough_where_it_is_said_to_be() -> None:
    query = identifiers("add_item")
    user = _open("def fill(box):\n    box.add_item(1)\n", "use.py")
    assert choose(query, [user], 600) == ()
    assert len(choose(query, [user], 600, frozenset(query))) == 1


def test_the_most_relevant_comes_last() -> None:
    weak = _open("def show(cart):\n    print(cart.discount)\n", "weak.py")
    chosen = choose(_QUERY, [_open(_CART, "cart.py"), weak], 2000)
    assert [snippet.path for snippet in chosen] == ["src/weak.py", "src/cart.py"]


def test_of_two_alike_the_one_used_last_is_nearer() -> None:
    older, newer = _open(_CART, "old.py", last_used=1), _open(_CART, "new.py", last_used=2)
    chosen = choose(_QUERY, [newer, older], 2000)
    assert chosen[-1].path == "src/new.py"


def test_only_the_order_of_use_counts_not_the_times() -> None:
    older, newer = _open(_CART, "old.py", last_used=1), _open(_CART, "new.py", last_used=2)
    much_newer = OpenDocument(newer.snapshot, 5000.0)
    assert choose(_QUERY, [older, newer], 900) == choose(_QUERY, [much_newer, older], 900)


def test_the_budget_holds_and_lines_stay_whole() -> None:
    chosen = choose(_QUERY, [_open(_CART)], 90)
    assert 0 < sum(len(snippet.text) for snippet in chosen) <= 90
    assert all(line in _CART.split("\n") for snippet in chosen for line in snippet.text.split("\n"))


def test_windows_begin_at_definitions() -> None:
    text = "".join(f"def function_{n}(a):\n    b = a\n    return b\n\n" for n in range(9))
    assert all(window.text.startswith("def function_") for window in index(_open(text).snapshot))


def test_a_file_without_grammar_has_windows_too() -> None:
    (snippet,) = choose(_QUERY, [_open(_CART, "cart.cob", language="cobol")], 600)
    assert "ShoppingCart" in snippet.text


def test_windows_follow_the_text() -> None:
    first = _open(_CART)
    changed = DocumentSnapshot(first.snapshot.uri, None, 2, "python", _LOG)
    assert index(first.snapshot) is index(first.snapshot)
    assert "configure_logging" in "".join(window.text for window in index(changed))


def test_of_a_long_file_only_the_start_is_indexed_and_generated_lines_are_left_out() -> None:
    text = f"data = '{'x' * 1000}'\n" + "alpha = beta_one\n" * 10_000
    windows = index(_open(text).snapshot)
    assert sum(len(window.text) for window in windows) <= MAX_INDEXED_CHARS
    assert not any("xxxx" in window.text for window in windows)


def test_an_untitled_document_shows_its_name() -> None:
    snapshot = DocumentSnapshot("untitled:Untitled-1", None, 1, "python", _CART)
    (snippet,) = choose(_QUERY, [OpenDocument(snapshot, 0.0)], 600)
    assert snippet.path == "untitled:Untitled-1"
