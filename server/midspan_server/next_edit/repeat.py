"""The same change again: two lines were changed alike, and other lines look as those two did.

What both examples have in common becomes a template (`template`). So two examples say how much has
to be alike: changing `log(a)` and `log(b)` speaks of every `log(...)`, changing `log(a)` twice of
`log(a)` alone. Whole lines that are alike come first; then lines where only the changed part is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING

from midspan_server import syntax
from midspan_server.next_edit.naming import naming
from midspan_server.next_edit.occurrences import nearest
from midspan_server.next_edit.proposal import Proposal
from midspan_server.next_edit.renames import renames
from midspan_server.next_edit.template import parts, replaced, template
from midspan_server.next_edit.tokens import common_ends, tokens
from midspan_server.syntax import Zone

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from midspan_server.next_edit.hunks import Hunk
    from midspan_server.next_edit.renames import Rename
    from midspan_server.next_edit.template import Template
    from midspan_server.snapshot import DocumentSnapshot

_MOST_HUNKS = 6
_MOST_EXAMPLES = 7
_MOST_LINES = 20_000
_MOST_COMPARED = 4_000
# With more of a name than this it is not looked at what each of them is.
_MOST_USES = 1_000
_LONGEST_LINE = 400
_FEWEST_TOKENS = 3
# An older example is no longer what the person is doing.
_LONGEST_AGO_S = 120.0


@dataclass(frozen=True, slots=True)
class _Example:
    """One line as it was and as it is, without indentation, and where it is now."""

    before: tuple[str, ...]
    after: tuple[str, ...]
    line: int
    at: float
    hunk: Hunk


@dataclass(frozen=True, slots=True)
class _Rule:
    """What to do to the lines that a template fits, or that hold what it fits.

    Attributes:
        template: Of both examples.
        examples: The earlier one and the newest.
        within: Whether it is of a part of the lines.
        is_near: Whether it speaks of the lines around the examples only.
    """

    template: Template
    examples: tuple[_Example, _Example]
    within: bool
    is_near: bool

    @property
    def plain(self) -> tuple[str, ...]:
        """Text that a line has to hold, where all of it is known; comparing tokens costs more."""
        is_plain = self.within and not self.template.wild
        return ("".join(self.template.before),) if is_plain else ()

    def rewritten(self, line: str) -> str | None:
        """What a line becomes; None where there is nothing to do."""
        old = tokens(line)
        if not self.within:
            return self.template.rewritten(old)
        made = replaced(self.template, old)
        return None if made is None else "".join(made)


def repeated(
    recent: Sequence[Hunk],
    documents: Sequence[DocumentSnapshot],
    uri: str = "",
    offset: int = 0,
    followed: Collection[tuple[str, str]] = (),
) -> Iterator[Proposal]:
    """Edits for the lines that the last changes left out, from the cursor on, then from above.

    After the document of the newest change come the others of its language.

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
    newest = examples[0]
    home = next((one for one in documents if one.uri == newest.hunk.uri), None)
    renamed = _renamed(newest)
    if home is None or any((one.old, one.new) in followed for one in renamed):
        return
    rules = _rules(examples, is_local=_is_local(renamed, home, newest))
    others = [one for one in documents if one is not home and one.language == home.language]
    for document in (home, *others):
        cursor = document.line_of(offset) if document.uri == uri else 0
        yield from _left_in(document, rules, examples, cursor)


def _left_in(
    document: DocumentSnapshot, rules: Sequence[_Rule], examples: Sequence[_Example], cursor: int
) -> Iterator[Proposal]:
    changed = {one.line for one in examples if one.hunk.uri == document.uri}
    done: set[int] = set()
    for rule in rules:
        lines = range(min(document.line_count, _MOST_LINES))
        if rule.is_near:
            if any(one.hunk.uri != document.uri for one in rule.examples):
                continue
            lines = _run_around(document, rule.examples)
        near = _candidates(rule.template, document, lines, cursor)
        # Of a line of which a part was changed there may be more to change.
        left = done if rule.within else done | changed
        numbers = (one for one in near if one not in left)
        for proposal in _matching(rule, document, islice(numbers, _MOST_COMPARED)):
            done.add(proposal.line)
            yield proposal


def _rules(examples: Sequence[_Example], *, is_local: bool) -> list[_Rule]:
    """What the newest example says together with each before it, whole lines first."""
    newest, *others = examples[:_MOST_EXAMPLES]
    whole, within = [], []
    for one in others:
        if newest.at - one.at > _LONGEST_AGO_S:
            break
        pairs = (one.before, one.after), (newest.before, newest.after)
        found = template(*pairs)
        if found is not None and len(found.before) >= _FEWEST_TOKENS:
            near = is_local or not found.words
            whole.append(_Rule(found, (one, newest), within=False, is_near=near))
        within += [
            _Rule(part, (one, newest), within=True, is_near=is_local) for part in parts(*pairs)
        ]
    return whole[:1] + within


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
    rule: _Rule, document: DocumentSnapshot, numbers: Iterable[int]
) -> Iterator[Proposal]:
    needed = {*rule.template.words, *rule.plain}
    tree = syntax.parse(document)
    for number in numbers:
        text = _line(document, number)
        if len(text) > _LONGEST_LINE or not all(map(text.__contains__, needed)):
            continue
        old = text.strip()
        new = rule.rewritten(old) if old else None
        if new is None or new == old:
            continue
        start = document.line_starts[number] + len(_indent(text))
        found = _proposal(document, start, old, new)
        places = (start + 1, found.start) if rule.within else (start + 1,)
        if tree is None or all(tree.zone(place) is Zone.CODE for place in places):
            yield found


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
