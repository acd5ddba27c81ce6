from __future__ import annotations

import pytest
import torch
from torch import nn

from midspan_engine.models.adapter import LowRank
from midspan_engine.models.packed_linear import PackedLinear, can_pack

pytestmark = pytest.mark.skipif(
    not can_pack(torch.bfloat16, "cpu"), reason="oneDNN has no bf16 on this processor"
)


def test_output_and_gradients_equal_the_plain_form() -> None:
    torch.manual_seed(0)
    linear = nn.Linear(64, 96).to(torch.bfloat16).requires_grad_(requires_grad=False)
    low = LowRank(64, 96, 8, 2.0)
    nn.init.normal_(low.lora_b, std=0.1)
    x = torch.randn(2, 33, 64, dtype=torch.bfloat16)
    upstream = torch.randn(2, 33, 96, dtype=torch.bfloat16)

    def grads(packed: bool) -> list[torch.Tensor]:
        given = x.clone().requires_grad_()
        low.zero_grad()
        if packed:
            y = PackedLinear(linear).adapted(given, low.lora_a, low.lora_b, low.scale)
        else:
            y = linear(given) + low(given)
        y.backward(upstream)  # type: ignore[no-untyped-call]
        assert given.grad is not None
        assert low.lora_a.grad is not None
        assert low.lora_b.grad is not None
        return [y.detach(), given.grad, low.lora_a.grad.clone(), low.lora_b.grad.clone()]

    for plain, packed in zip(grads(packed=False), grads(packed=True), strict=True):
        # bf16 keeps 8 bits: compare against the size of the values.
        assert (plain - packed).abs().max() < 0.02 * plain.abs().max()


def test_without_adapter_it_is_the_linear() -> None:
    linear = nn.Linear(64, 96).to(torch.bfloat16).requires_grad_(requires_grad=False)
    x = torch.randn(5, 64, dtype=torch.bfloat16)
    torch.testing.assert_close(PackedLinear(linear)(x), linear(x), atol=0.02, rtol=0.02)


def test_only_bf16_on_the_cpu_is_packed() -> None:
    assert not can_pack(torch.float32, "cpu")
    assert not can_pack(torch.bfloat16, "cuda")
