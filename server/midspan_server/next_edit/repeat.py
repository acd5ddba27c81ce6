"""The same change again: two lines were changed alike, and other lines look as those two did.

What both examples have in common becomes a template, token by token; where they differ anything of
the same kind may stand, and is carried over. So two examples say how much has to be alike: changing
`log(a)` and `log(b)` speaks of every `log(...)`, changing `log(a)` twice of `log(a)` alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING

from midspan_server import syntax
from midspan_server.next_edit.naming import naming
from midspan_server.next_edit.occurrences import nearest
from midspan_server.next_edit.proposal import Proposal
from midspan_server.next_edit.renames import renames
from midspan_server.next_edit.tokens import KEYWORDS, common_ends, is_word, kind, tokens
from midspan_server.syntax import Zone

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from midspan_server.next_edit.hunks import Hunk
    from midspan_server.next_edit.renames import Rename
    from midspan_server.snapshot import DocumentSnapshot

_MOST_HUNKS = 4
_MOST_LINES = 20_000
_MOST_COMPARED = 4_000
# With more of a name than this it is not looked at what each of them is.
_MOST_USES = 1_000
_LONGEST_LINE = 400
_FEWEST_TOKENS = 3
# An older example is no longer what the person is doing.
_LONGEST_AGO_S = 120.0


_Pair = tuple[Sequence[str], Sequence[str]]


@dataclass(frozen=True, slots=True)
class _Example:
    """One line as it was and as it is, without indentation, and where it is now."""

    before: tuple[str, ...]
    after: tuple[str, ...]
    line: int
    at: float
    hunk: Hunk


@dataclass(frozen=True, slots=True)
class Template:
    """What two examples share.

    Attributes:
        before: The tokens of a line, in place of a wildcard the kind of token that may stand there.
        wild: Positions of the wildcards.
        after: A token, or the position of the wildcard whose token goes there.
    """

    before: tuple[str, ...]
    wild: frozenset[int]
    after: tuple[str | int, ...]

    @property
    def words(self) -> set[str]:
        """Names that a line has to have."""
        fixed = (word for at, word in enumerate(self.before) if at not in self.wild)
        return {word for word in fixed if is_word(word) and word not in KEYWORDS}

    def rewritten(self, line: tuple[str, ...]) -> str | None:
        """What a line becomes; None where it is of another shape."""
        if len(line) != len(self.before):
            return None
        for at, expected in enumerate(self.before):
            if (kind(line[at]) if at in self.wild else line[at]) != expected:
                return None
        return "".join(line[part] if isinstance(part, int) else part for part in self.after)


def template(one: _Pair, two: _Pair) -> Template | None:
    """What two pairs of token lists, before and after, have in common; None if they differ more."""
    (before, after), (other_before, other_after) = one, two
    if len(before) != len(other_before) or len(after) != len(other_after):
        return None
    pattern, wild = list(before), set()
    for at, (mine, other) in enumerate(zip(before, other_before, strict=True)):
        if mine != other:
            if kind(mine) != kind(other) or mine.isspace():
                return None
            pattern[at] = kind(mine)
            wild.add(at)
    made: list[str | int] = []
    for mine, other in zip(after, other_after, strict=True):
        if mine == other:
            made.append(mine)
            continue
        source = next((at for at in wild if (before[at], other_before[at]) == (mine, other)), None)
        if source is None:
            return None
        made.append(source)
    return Template(tuple(pattern), frozenset(wild), tuple(made))


def repeated(
    recent: Sequence[Hunk],
    documents: Sequence[DocumentSnapshot],
    uri: str = "",
    offset: int = 0,
    followed: Collection[tuple[str, str]] = (),
) -> Iterator[Proposal]:
    """Edits for the lines that the last two changes left out, from the cursor on, then from above.

    Args:
        recent: Hunks, newest last.
        documents: What is open.
        uri: Document that the cursor is in.
        offset: Of the cursor.
        followed: Old and new names whose uses are found by what they mean, and nowhere else.
    """
    examples = _examples(recent)
    if len(examples) < 2:  # noqa: PLR2004
        return
    newest, earlier = examples[0], examples[1]
    if newest.hunk.uri != earlier.hunk.uri or newest.at - earlier.at > _LONGEST_AGO_S:
        return
    found = template((earlier.before, earlier.after), (newest.before, newest.after))
    document = next((one for one in documents if one.uri == newest.hunk.uri), None)
    if found is None or document is None or len(found.before) < _FEWEST_TOKENS:
        return
    if max(newest.line, earlier.line) >= document.line_count:
        return  # the text was replaced as a whole since
    renamed = _renamed(newest)
    if any((one.old, one.new) in followed for one in renamed):
        return
    lines = range(min(document.line_count, _MOST_LINES))
    if not found.words or _is_local(renamed, document, newest):
        lines = _run_around(document, (earlier, newest))
    cursor = document.line_of(offset) if document.uri == uri else 0
    done = {earlier.line, newest.line}
    numbers = (one for one in _candidates(found, document, lines, cursor) if one not in done)
    yield from _matching(found, document, islice(numbers, _MOST_COMPARED))


def _examples(recent: Sequence[Hunk]) -> list[_Example]:
    """The newest changed lines, newest first; none from hunks where lines came or went."""
    found: list[_Example] = []
    for hunk in reversed(recent[-_MOST_HUNKS:]):
        if hunk.is_formatting:
            continue
        if len(hunk.before) != len(hunk.after):
            break
        pairs = list(enumerate(zip(hunk.before, hunk.after, strict=True)))
        for at, (before, after) in reversed(pairs):
            is_sane = max(len(before), len(after)) <= _LONGEST_LINE
            is_moved = _indent(before) != _indent(after)
            if before != after and is_sane and not is_moved and before.strip():
                lists = tokens(before.strip()), tokens(after.strip())
                found.append(_Example(*lists, hunk.line + at, hunk.at, hunk))
    return found


def _renamed(example: _Example) -> tuple[Rename, ...]:
    """The names that an example replaced by others."""
    before, after = "".join(example.before), "".join(example.after)
    return renames(replace(example.hunk, before=(before,), after=(after,)))


def _is_local(renamed: tuple[Rename, ...], document: DocumentSnapshot, example: _Example) -> bool:
    """Whether a name was replaced that may mean something else in other functions."""
    tree = syntax.parse(document)
    if tree is None or naming(document.language) is None:
        return False
    byte = tree.byte_of(document.line_starts[min(example.line, document.line_count - 1)])
    for rename in renamed:
        for name in (rename.old, rename.new):
            found = list(nearest(tree, name, byte, _MOST_USES))
            bound = (one for one in found if one.binding and one.is_plain)
            if len(found) == _MOST_USES or any(one.scope is not None for one in bound):
                return True
    return False


def _run_around(document: DocumentSnapshot, examples: tuple[_Example, ...]) -> range:
    """The lines without a gap around the examples: a list, a table, a block of assignments."""
    first = last = examples[-1].line
    while first > 0 and _line(document, first - 1).strip():
        first -= 1
    while last + 1 < document.line_count and _line(document, last + 1).strip():
        last += 1
    return range(first, last + 1)


def _candidates(
    found: Template, document: DocumentSnapshot, lines: range, cursor: int
) -> Iterator[int]:
    """Numbers of the lines that may match, from the cursor's on, then those above it."""
    word = max(found.words, key=len, default="")
    middle = min(max(cursor, lines.start), lines.stop)
    for first, last in ((middle, lines.stop), (lines.start, middle)):
        number = first
        while number < last:
            if word:
                hit = document.text.find(word, document.line_starts[number])
                number = last if hit < 0 else document.line_of(hit)
            if number < last:
                yield number
            number += 1


def _matching(
    found: Template, document: DocumentSnapshot, numbers: Iterable[int]
) -> Iterator[Proposal]:
    needed = found.words
    tree = syntax.parse(document)
    for number in numbers:
        text = _line(document, number)
        if len(text) > _LONGEST_LINE or not all(map(text.__contains__, needed)):
            continue
        old = text.strip()
        new = found.rewritten(tokens(old)) if old else None
        if new is None or new == old:
            continue
        start = document.line_starts[number] + len(_indent(text))
        if tree is None or tree.zone(start + 1) is Zone.CODE:
            yield _proposal(document, start, old, new)


def _proposal(document: DocumentSnapshot, start: int, old: str, new: str) -> Proposal:
    head, tail = common_ends(tokens(old), tokens(new))
    return Proposal(
        snapshot=document,
        start=start + head,
        end=start + len(old) - tail,
        text=new[head : len(new) - tail],
        label="the same change again",
        cause=f"again {old[head : len(old) - tail]} {new[head : len(new) - tail]}",
    )


def _line(document: DocumentSnapshot, number: int) -> str:
    return document.text[document.line_starts[number] : document.line_end(number)]


def _indent(line: str) -> str:
    return line[: len(line) - len(line.lstrip())]
