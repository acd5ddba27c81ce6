"""Whatever a network says and a request asks for, an answer comes, soon, and keeps what it must."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from midspan_engine.canvas.fitted import Fitted
from midspan_engine.canvas.policy import Sampling, Stable
from midspan_engine.canvas.settings import CanvasConfig
from midspan_engine.canvas.solver import CanvasSolver
from midspan_engine.decoding.unmask import EntropyBound, Fixed, Threshold
from midspan_engine.engine import Engine
from midspan_engine.protocol import InfillRequest, RequestRejected

if TYPE_CHECKING:
    from collections.abc import Callable

    from midspan_engine.tokenizer import Tokenizer

    Make = Callable[..., Any]

EXPAND, DELETE = 9, 10
SOME = (EXPAND, DELETE, 18, 19, 22, 75, 76, 98, 138, 113, 209, 268, 273, 279)
CONFIGS = st.builds(
    CanvasConfig,
    masks=st.integers(1, 9),
    select=st.sampled_from(
        [Threshold(-0.5), EntropyBound(0.5), Fixed(1), Fixed(9), Stable(-1.0, 0.3)]
    ),
    refresh_every=st.integers(0, 3),
    refresh_cells=st.integers(0, 9),
    near_tokens=st.integers(0, 9),
    close_call=st.sampled_from([0.0, 0.1, 2.0]),
    revise_below=st.sampled_from([0.0, -1.0]),
    revisions=st.integers(0, 4),
    length=st.sampled_from(["expand", "cascade", "fixed"]),
    lengths=st.sampled_from([(1,), (2, 5, 9)]),
    finalists=st.integers(1, 3),
    sampling=st.builds(Sampling, temperature=st.sampled_from([0.0, 1.0])),
    syntax=st.booleans(),
)
REQUESTS = st.builds(
    InfillRequest,
    id=st.just(1),
    session=st.just("s"),
    language=st.sampled_from(["", "python"]),
    prefix=st.sampled_from(["", "x = ", "self.li", "if x:\n", "\n\n", "é"]),
    suffix=st.sampled_from(["", ")\n", "line"]),
    scope=st.sampled_from(["line", "block"]),
    block_indent=st.sampled_from([0, 4]),
    max_tokens=st.integers(1, 24),
    stop=st.sampled_from([(), (",",)]),
    n=st.integers(1, 3),
    steps=st.sampled_from([None, 1, 3]),
    stream=st.booleans(),
    canvas=st.booleans(),
    forbid=st.sampled_from([(), ("path",), ("a", r"\("), ("line", "é", " "), (r"(?s).",)]),
    require=st.sampled_from([(), ("path",), ("x(", "é")]),
)


@settings(max_examples=250, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(config=CONFIGS, request=REQUESTS, seed=st.integers(0, 99), spread=st.sampled_from([1, 6]))
def test_an_answer_comes_and_keeps_what_it_must(
    scripted: Make,
    canvas_tokenizer: Tokenizer,
    config: CanvasConfig,
    request: InfillRequest,
    seed: int,
    spread: int,
) -> None:
    random = np.random.default_rng(seed)
    network = scripted(
        lambda _ids, _place: dict(zip(SOME, random.normal(6, spread, len(SOME)), strict=True))
    )
    solver = CanvasSolver(network, canvas_tokenizer, Fitted().calibration, config)
    try:
        answer = Engine(network, canvas_tokenizer, solver=solver).infill(request)
    except RequestRejected:
        assert request.require, "only what is too long may be refused"
        return
    assert answer.stats.passes < 1000
    assert answer.stats.tokens <= max(request.n, config.finalists) * request.max_tokens
    assert len(answer.choices) <= request.n
    for choice in answer.choices:
        assert np.isfinite([choice.confidence, choice.mean_logprob, choice.suffix_logprob]).all()
        assert request.scope == "block" or "\n" not in choice.text
        assert not any(stop in choice.text for stop in request.stop)
        for pattern in request.forbid:
            assert not re.search(pattern, choice.text)
        at = 0
        for wanted in request.require:
            at = choice.text.index(wanted, at) + len(wanted)
        if request.canvas and choice.finish == "eos":
            assert all(cell.state == "committed" for cell in choice.cells)
