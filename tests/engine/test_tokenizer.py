from __future__ import annotations

import itertools
import json
import random
import sysconfig
import time
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from midspan_engine import weights
from midspan_engine.tokenizer import Tokenizer, TokenizerUnusable
from midspan_engine.weights.vocabulary import TokenKind, Vocabulary, write_tokenizer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MARKS = (
    "<|endoftext|>",
    "<|im_end|>",
    "<|fim_prefix|>",
    "<|fim_middle|>",
    "<|fim_suffix|>",
    "<|fim_pad|>",
    "<|repo_name|>",
    "<|file_sep|>",
)
MERGES = ("l o", "lo a", "loa d", "Ġ load", "( )", "m o", "mo d", "_ mod", "Ã ©", "Ġ Ġ", "ĠĠ Ġ")
ODD_TEXTS = (
    "",
    " ",
    "\t\t  x\r\n\r\n  y \n",
    "cafe\u0301 café Ångström ﬁ",
    "日本語のコメント。한국어 العربية हिन्दी",
    "👩‍👩‍👧‍👦 🏳️‍🌈 \U0001f468\u200d\U0001f4bb",
    "x1234567890 0x1F 1_000 ½ ² Ⅷ",
    "don't we'll I'M 'sself 'Ve",
    "a\x00b\x7f\u2028c\u2029d\ufeffe\u00a0f",
    "\ufffd \U0010ffff",
)


def _letters() -> list[str]:
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    extra = itertools.count(0x100)
    return [chr(byte) if byte in printable else chr(next(extra)) for byte in range(256)]


@pytest.fixture(scope="module")
def small_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tokens = [*_letters(), *(merge.replace(" ", "") for merge in MERGES)]
    kinds = [TokenKind.NORMAL] * len(tokens) + [TokenKind.SPECIAL] * len(MARKS)
    vocabulary = Vocabulary(
        tokens=(*tokens, *MARKS, "[PAD0]"), kinds=(*kinds, TokenKind.UNUSED), merges=MERGES
    )
    path = tmp_path_factory.mktemp("small") / "tokenizer.json"
    write_tokenizer(vocabulary, path)
    return path


@pytest.fixture(scope="module")
def small(small_path: Path) -> Tokenizer:
    return Tokenizer(small_path)


@pytest.fixture(scope="module")
def real_files() -> weights.ModelFiles:
    try:
        return weights.resolve()
    except weights.WeightsMissing as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def real(real_files: weights.ModelFiles) -> Tokenizer:
    return Tokenizer.load(real_files)


def _sources(suffixes: tuple[str, ...], total: int) -> Iterator[str]:
    """Yield text of this installation until `total` characters, the same on every run."""
    roots = [Path(sysconfig.get_path("stdlib")), Path(sysconfig.get_path("purelib"))]
    for suffix in suffixes:
        left = total
        for path in itertools.chain.from_iterable(sorted(r.rglob(f"*{suffix}")) for r in roots):
            text = path.read_text("utf-8", errors="replace")[: min(left, 60_000)]
            yield text
            left -= len(text)
            if left <= 0:
                break


def _spell(tokenizer: Tokenizer, ids: list[int], pending: bytes, wanted: bytes) -> list[int]:
    """Decode as an engine would that wants `wanted`: constrained while anything is pending."""
    written = list(ids)
    rest = wanted[len(tokenizer.decode_bytes(ids)) :]
    while rest:
        if pending:
            allowed = tokenizer.ids_with_prefix(pending) + tokenizer.ids_that_prefix(pending)
        else:
            allowed = [token for byte in [rest[:1]] for token in tokenizer.ids_with_prefix(byte)]
        fitting = [token for token in allowed if rest.startswith(tokenizer.token_bytes(token))]
        chosen = max(fitting, key=lambda token: len(tokenizer.token_bytes(token)))
        spelled = tokenizer.token_bytes(chosen)
        written.append(chosen)
        rest, pending = rest[len(spelled) :], pending[len(spelled) :]
    return written


@pytest.mark.parametrize("mark", MARKS)
def test_a_mark_in_the_text_is_plain_text(small: Tokenizer, mark: str) -> None:
    text = f"x = '{mark}'"
    ids = small.encode(text)
    assert not {small.token_bytes(token) for token in ids} & {b""}
    assert small.decode(ids) == text


def test_marks_that_a_file_does_not_call_special_are_plain_text_too(
    small_path: Path, tmp_path: Path
) -> None:
    described = json.loads(small_path.read_text())
    for token in described["added_tokens"]:
        token["special"] = False
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(described))
    tokenizer = Tokenizer(path)
    assert tokenizer.special.fim_middle not in tokenizer.encode("a<|fim_middle|>b")
    assert tokenizer.decode(tokenizer.encode("a<|fim_middle|>b")) == "a<|fim_middle|>b"


def test_marks_have_ids_and_no_text(small: Tokenizer) -> None:
    special = small.special
    assert special.eos == 256 + len(MERGES)
    ids = [special.fim_prefix, *small.encode("load"), special.eos]
    assert small.decode(ids) == "load"
    assert len({*(getattr(special, name) for name in special.__slots__)}) == 8


def test_ids_beyond_the_vocabulary_are_padding_without_text(small: Tokenizer) -> None:
    assert small.vocab_size == 256 + len(MERGES) + len(MARKS)
    assert small.token_bytes(small.vocab_size) == b""
    assert small.token_bytes(-1) == b""


@pytest.mark.parametrize("missing", [b"{}", b"not json", None])
def test_a_useless_file_is_refused(tmp_path: Path, missing: bytes | None) -> None:
    path = tmp_path / "tokenizer.json"
    if missing is not None:
        path.write_bytes(missing)
    with pytest.raises(TokenizerUnusable, match="cannot be read"):
        Tokenizer(path)


def test_a_vocabulary_without_infilling_marks_is_refused(small_path: Path, tmp_path: Path) -> None:
    described = json.loads(small_path.read_text())
    described["added_tokens"] = [
        token for token in described["added_tokens"] if "fim_middle" not in token["content"]
    ]
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(described))
    with pytest.raises(TokenizerUnusable, match=r"has no <\|fim_middle\|>"):
        Tokenizer(path)


def test_a_cut_off_character_at_the_end_is_left_out(small: Tokenizer) -> None:
    ids = small.encode("a€")
    assert small.decode(ids) == "a€"
    assert small.decode(ids[:-1]) == "a"
    assert small.decode_bytes(ids[:-1]) == b"a\xe2\x82"


def test_broken_bytes_inside_become_replacement_characters(small: Tokenizer) -> None:
    ids = small.encode("€")
    assert small.decode([*ids[:-1], *small.encode("a")]) == "\ufffda"


@given(text=st.text())
def test_any_text_comes_back_in_composed_form(small: Tokenizer, text: str) -> None:
    assert small.decode(small.encode(text)) == unicodedata.normalize("NFC", text)


@given(text=st.text(alphabet="load_mé( )\n\t1€", max_size=20), data=st.data())
def test_healing_keeps_every_byte_and_crosses_no_line(
    small: Tokenizer, text: str, data: st.DataObject
) -> None:
    prefix = text[: data.draw(st.integers(0, len(text)))]
    ids, pending = small.heal(prefix)
    assert small.decode_bytes(ids) + pending == prefix.encode()
    assert b"\n" not in pending


@settings(max_examples=50)
@given(text=st.text(alphabet="load_mé( )\n\t1€", max_size=20), data=st.data())
def test_constrained_decoding_after_healing_can_spell_anything(
    small: Tokenizer, text: str, data: st.DataObject
) -> None:
    ids, pending = small.heal(text[: data.draw(st.integers(0, len(text)))])
    assert small.decode(_spell(small, ids, pending, text.encode())) == text


def test_healing_a_long_word_looks_no_further_back_than_a_token_reaches(
    small: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[int] = []
    decode = small.decode_bytes

    def counted(ids: Sequence[int]) -> bytes:
        decoded.append(len(ids))
        return decode(ids)

    monkeypatch.setattr(small, "decode_bytes", counted)
    ids, pending = small.heal("x = " + "qzj" * 3000)
    assert sum(decoded) < 5_000
    assert decode(ids) + pending == ("x = " + "qzj" * 3000).encode()


@pytest.mark.parametrize(
    ("prefix", "pending"),
    [
        ("x = loa", b" loa"),  # ` load` is one token
        ("x(lo", b"lo"),
        ("x_m", b"_m"),
        ("f(", b"("),
        ("f()", b""),  # nothing longer begins with `()`
        ("load", b""),
        ("x1", b""),
        ("loa\n", b""),
        ("x = ", b" "),
        ("if x:\n   ", b" "),
        ("\t", b"\t"),
        ("", b""),
    ],
)
def test_healing_takes_back_what_one_token_could_reach_across(
    small: Tokenizer, prefix: str, pending: bytes
) -> None:
    ids, found = small.heal(prefix)
    assert found == pending
    assert small.decode_bytes(ids) == prefix.encode()[: len(prefix.encode()) - len(pending)]


def test_tokens_are_found_by_how_they_begin(small: Tokenizer) -> None:
    found = {small.token_bytes(token) for token in small.ids_with_prefix(b"lo")}
    assert found == {b"lo", b"loa", b"load"}
    begun = {small.token_bytes(token) for token in small.ids_that_prefix(b"load")}
    assert begun == {b"l", b"lo", b"loa"}
    assert len(small.ids_with_prefix(b"")) == 256 + len(MERGES)
    assert small.ids_with_prefix(b"\xff") == sorted(small.ids_with_prefix(b"\xff"))
    assert small.token_bytes(small.ids_with_prefix(b"\xff")[0]) == b"\xff"


def test_offsets_are_code_points_of_the_text(small: Tokenizer) -> None:
    text = "é load€"
    ids, offsets = small.encode_with_offsets(text)
    assert ids == small.encode(text)
    pieces = [text[start:end] for start, end in offsets]
    assert pieces == ["é", " load", "€", "€", "€"]


@pytest.mark.slow
def test_ids_equal_the_reference_on_a_megabyte_of_mixed_text(
    real: Tokenizer, real_files: weights.ModelFiles
) -> None:
    from transformers import Qwen2Tokenizer  # noqa: PLC0415  slow to import

    model: dict[str, Any] = json.loads(real_files.tokenizer.read_text())["model"]
    merges = [tuple(merge) for merge in model["merges"]]
    reference = Qwen2Tokenizer(vocab=model["vocab"], merges=merges)
    texts = [*ODD_TEXTS, *_sources((".py", ".js", ".json", ".md", ".txt", ".h"), 250_000)]
    texts = [text.replace("<|endoftext|>", "") for text in texts]
    assert sum(map(len, texts)) > 1_000_000
    for text in texts:
        assert real.encode(text) == reference(text, add_special_tokens=False)["input_ids"]


@pytest.mark.slow
def test_the_real_marks_have_the_published_ids(real: Tokenizer) -> None:
    assert real.special.eos == 151643
    assert real.special.im_end == 151645
    assert real.special.fim_prefix == 151659
    assert real.special.fim_middle == 151660
    assert real.special.fim_suffix == 151661
    assert real.special.file_sep == 151664
    assert real.vocab_size == 151665


@pytest.mark.slow
def test_real_tokens_come_back_as_text(real: Tokenizer) -> None:
    for text in [*ODD_TEXTS, *_sources((".py",), 100_000)]:
        assert real.decode(real.encode(text)) == unicodedata.normalize("NFC", text)


@pytest.mark.slow
def test_every_byte_has_a_real_token(real: Tokenizer) -> None:
    assert all(len(real.ids_with_prefix(bytes([byte]))) > 0 for byte in _utf8_bytes())
    assert len(real.ids_that_prefix(b"loading")) >= 3


def _utf8_bytes() -> list[int]:
    return [byte for byte in range(256) if byte not in (0xC0, 0xC1) and byte < 0xF5]


@pytest.mark.slow
def test_healed_prefixes_spell_the_text_and_nearly_always_in_its_own_tokens(
    real: Tokenizer,
) -> None:
    chosen = random.Random(7)
    healed, plain, cuts = 0, 0, 0
    for text in itertools.islice(_sources((".py", ".js"), 200_000), 8):
        whole = unicodedata.normalize("NFC", text[:1500])
        own = real.encode(whole)
        for cut in chosen.sample(range(len(whole)), min(100, len(whole))):
            prefix, following = whole[:cut], whole[cut]
            ids, pending = real.heal(prefix)
            if cut % 20 == 0:
                spelled = _spell(real, ids, pending, whole[: cut + 30].encode())
                assert real.decode(spelled) == whole[: cut + 30]
            if following.isspace():
                continue  # inside a run of blanks: nobody knows how far it will go
            cuts += 1
            healed += own[: len(ids)] == ids
            plain += own[: len(real.encode(prefix))] == real.encode(prefix)
    assert cuts > 200
    assert healed / cuts > 0.97
    assert plain / cuts < 0.5  # what it would be without healing


@pytest.mark.slow
def test_the_tables_are_quick(real_files: weights.ModelFiles) -> None:
    fresh = Tokenizer.load(real_files)
    begun = time.process_time()
    assert fresh.ids_with_prefix(b"load")
    assert time.process_time() - begun < 1.0  # 0.25 s on an idle machine
