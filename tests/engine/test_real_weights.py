"""The shipped weights: our forward is the reference's, and int8 with speculation still is."""

from __future__ import annotations

import inspect
import json
import re
import textwrap
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from midspan_engine import weights
from midspan_engine.adapters import Adapters
from midspan_engine.decoding.infill import DecodeConfig
from midspan_engine.decoding.rewrite import RewriteConfig
from midspan_engine.engine import Engine
from midspan_engine.protocol import EditRequest, InfillRequest, PastEdit
from midspan_engine.runtime import create_runtime
from midspan_engine.runtime.blocks import CachedSequence
from midspan_engine.runtime.rows import RowGroup
from midspan_engine.tokenizer import Tokenizer

if TYPE_CHECKING:
    from types import ModuleType

    from midspan_engine.runtime import Runtime, RuntimeName

pytestmark = pytest.mark.slow

CACHE = 64 * 1024 * 1024
NEW_TOKENS = 6


def sources_of(*modules: ModuleType) -> list[str]:
    """Of their own functions: a library may put others, without source, into `inspect`."""
    return [
        inspect.getsource(value)
        for module in modules
        for _, value in sorted(vars(module).items())
        if inspect.isfunction(value) and value.__module__ == module.__name__
    ]


def prompts(count: int) -> list[tuple[str, str]]:
    """Prefix and suffix around a line of functions of the standard library, spread evenly."""
    sources = sources_of(textwrap, json, json.encoder, json.decoder, inspect)
    fitting = [source for source in sources if 200 < len(source) < 700]
    cases = []
    for index in range(count):
        lines = fitting[index % len(fitting)].splitlines(keepends=True)
        at = 3 + (index * 7) % max(1, len(lines) - 5)
        cases.append(("".join(lines[:at]), "".join(lines[at + 1 :])))
    return cases


def with_adapters(name: RuntimeName, mask: str) -> Runtime:
    files = weights.resolve()
    adapters = Adapters.choose(files.sha256, mask=mask)
    return create_runtime(files.folder, name=name, cache_bytes=CACHE, adapters=adapters)


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.load(weights.resolve())


@pytest.fixture(scope="module")
def int8() -> Runtime:
    return with_adapters("openvino", mask="auto")


def token_ids(tokenizer: Tokenizer, prefix: str, suffix: str) -> list[int]:
    marks = tokenizer.special
    before, after = tokenizer.encode(prefix), tokenizer.encode(suffix)
    return [marks.fim_prefix, *before, marks.fim_suffix, *after, marks.fim_middle]


def greedy(runtime: Runtime, ids: list[int]) -> list[int]:
    sequence = CachedSequence()
    runtime.pool.reserve(sequence, len(ids) + NEW_TOKENS)
    group = RowGroup.causal(sequence, 0, ids, [len(ids) - 1])
    out: list[int] = []
    while True:
        out.append(int(runtime.forward([group])[0].top_ids[0, 0]))
        if len(out) == NEW_TOKENS:
            break
        group = RowGroup.causal(sequence, len(ids) + len(out) - 1, out[-1:], [0])
    runtime.pool.release(sequence)
    return out


def test_greedy_output_equals_the_reference_for_50_prompts(tokenizer: Tokenizer) -> None:
    from transformers import Qwen2ForCausalLM  # noqa: PLC0415  seconds to import

    folder = weights.resolve().folder
    ours = create_runtime(folder, name="torch", cache_bytes=CACHE)
    reference = Qwen2ForCausalLM.from_pretrained(folder, dtype=torch.float32)
    for prefix, suffix in prompts(50):
        ids = token_ids(tokenizer, prefix, suffix)
        out = greedy(ours, ids)
        with torch.inference_mode():
            logits = reference(torch.tensor([[*ids, *out[:-1]]])).logits[0, len(ids) - 1 :]
        # Each token is the reference's first choice after those before it, so all are its greedy
        # continuation.
        assert out == logits.argmax(dim=-1).tolist()


def test_verified_equals_greedy_on_the_int8_graph(int8: Runtime, tokenizer: Tokenizer) -> None:
    plain = DecodeConfig(rows=1, look_up=False)
    greedy_engine = Engine(int8, tokenizer, config=plain)
    engine = Engine(int8, tokenizer)
    fewer = 0
    for number, (prefix, suffix) in enumerate(prompts(12)):
        request = InfillRequest(
            id=1, session=f"{number}", prefix=prefix, suffix=suffix, language="python"
        )
        expected = greedy_engine.infill(request)
        greedy_engine.sessions.forget("")
        answer = engine.infill(request)
        assert answer.choices[0].text == expected.choices[0].text
        engine.sessions.forget("")
        fewer += expected.stats.passes - answer.stats.passes
    assert fewer > 0, "speculation saved no pass over twelve requests"


def renames(count: int) -> list[EditRequest]:
    """Functions of the standard library in which a parameter was just renamed in the head."""
    requests = []
    for source in sources_of(textwrap, json.encoder, json.decoder, inspect):
        head, _, region = source.partition("\n")
        found = re.search(r"\((\w{4,})[,)]", head)
        if found and 100 < len(region) < 500 and found[1] in region:
            new = head.replace(found[1], f"the_{found[1]}")
            history = (PastEdit(path="a.py", diff=f"-{head}\n+{new}\n"),)
            before = f"{new}\n"
            requests.append(
                EditRequest(
                    id=1, session="e", path="a.py", history=history, before=before, region=region
                )
            )
    return requests[:count]


def test_rewriting_equals_plain_decoding_on_the_int8_graph_in_a_fraction_of_the_passes(
    int8: Runtime, tokenizer: Tokenizer
) -> None:
    greedy_engine = Engine(int8, tokenizer, rewriting=RewriteConfig(rows=1))
    engine = Engine(int8, tokenizer)
    passes = {"greedy": 0, "drafted": 0}
    requests = renames(5)
    assert len(requests) == 5
    for request in requests:
        expected = greedy_engine.edit(request)
        greedy_engine.sessions.forget("")
        answer = engine.edit(request)
        engine.sessions.forget("")
        assert (answer.finish, answer.text) == (expected.finish, expected.text)
        assert answer.edit_probability == pytest.approx(expected.edit_probability, abs=1e-4)
        assert answer.mean_logprob == pytest.approx(expected.mean_logprob, abs=1e-3)
        passes["greedy"] += expected.stats.passes
        passes["drafted"] += answer.stats.passes
    assert passes["drafted"] < passes["greedy"] or passes["greedy"] == len(requests)


def test_a_keystroke_later_the_answer_is_nearly_always_the_fresh_one(
    int8: Runtime, tokenizer: Tokenizer
) -> None:
    """The suffix is not encoded again; design measured 17 of 18 kept."""
    engine = Engine(int8, tokenizer)
    same = 0
    cases = prompts(12)
    for number, (prefix, rest) in enumerate(cases):
        texts = []
        suffix = "\n" + rest  # as behind an editor's cursor
        for session, warm in ((f"w{number}", True), (f"f{number}", False)):
            if warm:
                engine.infill(
                    InfillRequest(id=1, session=session, prefix=prefix[:-6], suffix=suffix)
                )
            answer = engine.infill(
                InfillRequest(id=2, session=session, prefix=prefix, suffix=suffix)
            )
            texts.append(answer.choices[0].text)
            if warm:
                assert answer.stats.cached_tokens > len(tokenizer.encode(suffix)) // 2
        same += texts[0] == texts[1]
    engine.sessions.forget("")
    assert same >= len(cases) - 3


def test_int8_predicts_what_float32_predicts(int8: Runtime, tokenizer: Tokenizer) -> None:
    exact = with_adapters("openvino-fp32", mask="none")
    agree = total = 0
    for prefix, suffix in prompts(6):
        ids = token_ids(tokenizer, prefix, suffix)
        tops = []
        for runtime in (int8, exact):
            sequence = CachedSequence()
            runtime.pool.reserve(sequence, len(ids))
            group = RowGroup.causal(sequence, 0, ids, range(len(ids)))
            tops.append(np.array(runtime.forward([group])[0].top_ids[:, 0]))
            runtime.pool.release(sequence)
        agree += int((tops[0] == tops[1]).sum())
        total += len(ids)
    assert agree / total > 0.93


@pytest.mark.parametrize("name", ["openvino-groups", "openvino-rows"])
def test_a_rows_result_is_the_same_to_the_last_bit_in_any_company(
    name: RuntimeName, tokenizer: Tokenizer
) -> None:
    """A lone row takes other kernels on this network, which the tiny ones do not show."""
    int8 = with_adapters(name, mask="none")
    prefix, suffix = prompts(1)[0]
    ids = token_ids(tokenizer, prefix, suffix)
    sequence = CachedSequence()
    int8.pool.reserve(sequence, len(ids) + 40)
    int8.forward([RowGroup.causal(sequence, 0, ids[:60])])
    seen = set()
    for rows in (1, 2, 3, 8, 17):
        group = RowGroup.causal(sequence, 60, ids[60 : 60 + rows], range(rows))
        seen.add(int8.forward([group])[0].logits[0].tobytes())
    int8.pool.release(sequence)
    assert len(seen) == 1
