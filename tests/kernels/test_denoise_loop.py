"""All kernels together: a small network fills spans, and no step asks the host for anything."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
import torch

from midspan_kernels.activation import gate
from midspan_kernels.attention import attend
from midspan_kernels.head import score_rows
from midspan_kernels.linear import RowAdapter, multiply
from midspan_kernels.norm import add_and_norm
from midspan_kernels.rope import rotary_table, rotate_into_cache
from midspan_kernels.rows import Batch
from midspan_kernels.spans import MASK, Spans, guessed_spans, masked_spans
from midspan_kernels.unmask import THRESHOLD, Policies, unmask
from midspan_kernels.verify import confirm, next_ids
from midspan_kernels.weights import QuantisedWeight, quantise

if TYPE_CHECKING:
    from torch import Tensor

    from midspan_kernels.confidence import RowConfidence

WIDTH, HEADS, KEY_HEADS, HEAD, VOCAB, PAGE = 128, 4, 2, 32, 50, 8
CONTEXTS = [[3, 1, 4, 1, 5], [9, 2, 6, 5, 3, 5, 8, 9, 7]]
NO_END = torch.tensor([VOCAB]).int()


@dataclass(frozen=True, slots=True)
class Layer:
    mixing: QuantisedWeight
    output: QuantisedWeight
    widening: QuantisedWeight
    narrowing: QuantisedWeight
    down: Tensor
    up: Tensor


def random_weight(outputs: int, inputs: int, make: torch.Generator) -> QuantisedWeight:
    return quantise(torch.randn(outputs, inputs, generator=make) * 2 / inputs**0.5, 8)


class Network:
    """Two layers, 8-bit weights, an adapter on block rows, a paged cache for two requests."""

    def __init__(self) -> None:
        make = torch.Generator().manual_seed(7)
        self.layers = [
            Layer(
                mixing=random_weight((HEADS + 2 * KEY_HEADS) * HEAD, WIDTH, make),
                output=random_weight(WIDTH, WIDTH, make),
                widening=random_weight(4 * WIDTH, WIDTH, make),
                narrowing=random_weight(WIDTH, 2 * WIDTH, make),
                down=torch.randn(16, WIDTH, generator=make) / WIDTH**0.5,
                up=torch.randn(4 * WIDTH, 16, generator=make) / 4,
            )
            for _ in range(2)
        ]
        self.embedding = torch.randn(VOCAB, WIDTH, generator=make)
        self.mask = torch.randn(WIDTH, generator=make)
        self.angles = rotary_table(torch.arange(200), HEAD, 1e4)
        self.cache = torch.randn(2, 2, 20, KEY_HEADS, PAGE, HEAD, generator=make)
        self.pages = torch.randperm(20, generator=make).int().view(2, 10)

    def forward(self, ids: Tensor, positions: Tensor, batch: Batch) -> Tensor:
        masked = (ids == MASK)[:, None]
        stream = torch.where(masked, self.mask, self.embedding[ids.clamp(min=0)])
        lines, block, gain = batch.lines(PAGE), batch.behind >= 0, torch.ones(WIDTH)
        update = None
        for layer, (keys, values) in zip(self.layers, self.cache, strict=True):
            x = add_and_norm(stream, update, gain, 1e-6)
            mixed = multiply(x, layer.mixing).view(len(x), -1, HEAD)
            query = rotate_into_cache(mixed, self.angles, positions, lines, keys, values)
            attended = attend(query, keys, values, batch).view(len(x), -1)
            x = add_and_norm(stream, multiply(attended, layer.output), gain, 1e-6)
            adapter = RowAdapter(down=layer.down, up=layer.up, rows=block)
            wide = gate(multiply(x, layer.widening, adapter=adapter))
            update = multiply(wide, layer.narrowing, parts=2)
        return add_and_norm(stream, update, gain, 1e-6)

    def read(self, contexts: list[list[int]]) -> None:
        """Fill the cache with all but the last token of each context."""
        counts = [len(context) - 1 for context in contexts]
        batch = Batch(
            firsts=torch.tensor([0, *torch.tensor(counts).cumsum(0).tolist()]).int(),
            starts=torch.zeros(len(contexts)).int(),
            behind=torch.full((sum(counts),), -1).int(),
            pages=self.pages[: len(contexts)],
            most_rows=max(counts),
            longest=max(counts),
        )
        ids = torch.tensor([token for context in contexts for token in context[:-1]])
        positions = torch.cat([torch.arange(count) for count in counts]).int()
        self.forward(ids, positions, batch)

    def score(self, spans: Spans) -> RowConfidence:
        """One pass and the scores of the rows that the step reads."""
        batch = spans.batch(self.pages, longest=80)
        hidden = self.forward(spans.ids.view(-1), spans.positions.view(-1), batch)
        rows = spans.ids.shape[1] * torch.arange(len(spans.ids))[:, None] + spans.wanted
        tokens = next_ids(spans) if rows.numel() == len(hidden) else None
        return score_rows(hidden[rows.view(-1)], self.embedding, tokens=tokens)


def begin(network: Network) -> tuple[Tensor, Tensor]:
    network.read(CONTEXTS)
    last = torch.tensor([context[-1] for context in CONTEXTS]).int()
    return last, torch.tensor([len(context) - 1 for context in CONTEXTS]).int()


def greedy(network: Network, room: int) -> Tensor:
    """Token by token: one causal row and, because a span has cells, one mask that nobody reads."""
    last, starts = begin(network)
    spans = masked_spans(last, starts, cells=1, room=room)
    policies = Policies(kinds=torch.zeros(2).int(), limits=torch.full((2,), torch.inf))
    for _ in range(room):
        unmask(spans, network.score(spans), policies, NO_END)
    return spans.tokens


@pytest.mark.parametrize("cells", [2])
def test_verified_text_is_greedy_text(cells: int) -> None:
    network = Network()
    wanted = greedy(network, 6)
    last, starts = begin(network)
    spans = guessed_spans(last, starts, cells=cells, room=6)
    passes = 0
    while not bool(spans.done.all()):
        confirm(spans, network.score(spans), torch.zeros(2), NO_END)
        passes += 1
    assert torch.equal(spans.tokens, wanted)
    assert passes <= 6


def test_right_guesses_save_passes() -> None:
    network = Network()
    wanted = greedy(network, 6)
    last, starts = begin(network)
    spans = guessed_spans(last, starts, cells=3, room=6)
    for _ in range(2):
        for request in range(2):
            done = int(spans.lengths[request])
            known = wanted[request, done : done + 3]
            spans.ids[request, 1 : 1 + len(known)] = known
        confirm(spans, network.score(spans), torch.zeros(2), NO_END)
    assert torch.equal(spans.tokens, wanted)


def test_a_denoise_step_commits_several_tokens_and_keeps_the_cache_exact() -> None:
    """Draft tokens depend on the adapter; what follows them is greedy from there."""
    network = Network()
    last, starts = begin(network)
    spans = masked_spans(last, starts, cells=3, room=6)
    policies = Policies(kinds=torch.full((2,), THRESHOLD).int(), limits=torch.full((2,), -2.5))
    passes = 0
    while not bool(spans.done.all()):
        unmask(spans, network.score(spans), policies, NO_END)
        passes += 1
    assert passes < 6
    text = [
        [*context, *tokens] for context, tokens in zip(CONTEXTS, spans.tokens.tolist(), strict=True)
    ]
    cached = network.cache.clone()
    network.read([one[:-1] for one in text])
    places = int(spans.starts.min())
    for request in range(2):
        for place in range(places):
            page = int(network.pages[request, place // PAGE])
            torch.testing.assert_close(
                cached[:, :, page, :, place % PAGE],
                network.cache[:, :, page, :, place % PAGE],
                rtol=1e-4,
                atol=1e-4,
            )
