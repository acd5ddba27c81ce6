"""Lines as tokens: words, numbers, strings, blanks, signs."""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import takewhile

TOKEN = re.compile(
    r"""[^\W\d][\w$]*|\d[\w.]*|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`(?:[^`\\]|\\.)*`|\s+|.""",
    re.DOTALL,
)
# As the model cuts text, about; an eighth more tokens than it really makes, in six languages.
_MODEL_TOKEN = re.compile(r" ?[^\W\d_]{1,7}|\d|\n\s*| {2,}|[^\w\s]{1,2}|_|\S")
_WORD = re.compile(r"[^\W\d][\w$]*\Z")
# Words that no name is, in any of the languages; taken together, since a name rarely is one.
KEYWORDS = frozenset(
    """and as assert async await auto bool boolean break byte case catch char class const
    continue def default defer del delete do double elif else enum except export extends false
    False final finally float fn for from func function global go goto if impl implements import in
    int interface is lambda let long match mod mut namespace new nil None nonlocal not null nullptr
    or override package pass private protected public raise readonly ref return
    self short signed static str string struct super switch template this throw throws true True
    try type typedef typename typeof undefined union unsigned use using var virtual void volatile
    where while with yield cls""".split()  # noqa: SIM905  a list of 110 words reads worse
)


# Of those the ones that are a name in none of the languages, and the names of the object itself.
RESERVED = KEYWORDS - frozenset(
    """async bool boolean byte char chan defer del double elif except final fn from func go impl
    implements interface is lambda let long match mod mut namespace nil nonlocal object or override
    package pass raise readonly ref short signed str string struct template type typedef typename
    undefined union unsigned use using var virtual where""".split()  # noqa: SIM905
)


@lru_cache(maxsize=4096)
def tokens(line: str) -> tuple[str, ...]:
    """The tokens of a line; joined they are the line again."""
    return tuple(TOKEN.findall(line))


def model_tokens(text: str) -> int:
    """About as many tokens as the model's tokenizer makes of a text; more rather than fewer."""
    return sum(1 for _ in _MODEL_TOKEN.finditer(text))


def is_word(token: str) -> bool:
    """Whether a token is an identifier or a keyword."""
    return _WORD.match(token) is not None


def kind(token: str) -> str:
    """What may stand for a token in a line of the same shape: a sign or keyword only itself."""
    if is_word(token):
        return token if token in KEYWORDS else "name"
    if token[0].isdigit():
        return "number"
    if token[0] in "\"'`" and len(token) > 1:
        return "string"
    return " " if token.isspace() else token


def shape(line: str) -> tuple[str, ...]:
    """The kinds of a line's tokens without its indentation."""
    return tuple(kind(token) for token in tokens(line.strip()))


def common_ends(old: tuple[str, ...], new: tuple[str, ...]) -> tuple[int, int]:
    """Characters of the tokens that both lines begin with, and of those that both end with."""
    same = list(takewhile(lambda pair: pair[0] == pair[1], zip(old, new, strict=False)))
    rest = old[len(same) :], new[len(same) :]
    ends = zip(reversed(rest[0]), reversed(rest[1]), strict=False)
    tail = takewhile(lambda pair: pair[0] == pair[1], ends)
    return sum(len(one) for one, _ in same), sum(len(one) for one, _ in tail)
