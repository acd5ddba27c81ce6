"""From the engine's text to what the editor shows: small filters in a fixed order.

Each takes the text and its `Place` and returns the text, shortened or mended, or None to drop it.
A filter never adds words of its own. The order matters: line ends are made equal first so that
nobody else must think of them, what is cut early need not be mended later, and the syntax tree is
asked last, about what would really be shown.
"""

from __future__ import annotations

from midspan_server.postprocess.blank import cut_trailing_space, drop_blank
from midspan_server.postprocess.brackets import cut_unbalanced_closer
from midspan_server.postprocess.comments import drop_comment_echo
from midspan_server.postprocess.indentation import fix_indentation, match_tabs, merge_spaces
from midspan_server.postprocess.line_ends import match_line_ends, unify_line_ends
from midspan_server.postprocess.overlap import cut_following_lines, cut_rest_of_line
from midspan_server.postprocess.parsing import keep_parsing
from midspan_server.postprocess.place import Filter, Place
from midspan_server.postprocess.repetition import cut_loop, drop_repeated_lines
from midspan_server.postprocess.scope import cut_to_scope

FILTERS: tuple[Filter, ...] = (
    unify_line_ends,
    cut_to_scope,
    cut_loop,
    merge_spaces,
    fix_indentation,
    cut_rest_of_line,
    cut_following_lines,
    cut_unbalanced_closer,
    cut_trailing_space,
    drop_blank,
    drop_repeated_lines,
    drop_comment_echo,
    match_tabs,
    keep_parsing,
    match_line_ends,
)


def postprocess(text: str, place: Place) -> str | None:
    """Pass `text` through all filters; None when one of them drops it."""
    for apply in FILTERS:
        kept = apply(text, place)
        if kept is None:
            return None
        text = kept
    return text


__all__ = ["FILTERS", "Filter", "Place", "postprocess"]
