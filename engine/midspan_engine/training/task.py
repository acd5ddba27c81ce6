"""What a trainer needs to know about the thing that it trains, and what it gets back."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from midspan_engine.models.adapter import Adapter
    from midspan_engine.models.adapter_file import AdapterKind
    from midspan_engine.models.transformer import Transformer

    Spend = Callable[[str], None]
    """Books the time since the last call under a name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartLoss:
    """Sums over the rows of one context, so that contexts and processes can be added up."""

    total: Tensor
    """Weighted loss, scalar with gradient."""
    weight: float
    tokens: int
    """Supervised rows."""
    first_hits: int
    """First rows whose prediction is the file's token."""
    first_rows: int


class Report(Protocol):
    """Figures of one evaluation."""

    @property
    def score(self) -> float:
        """The figure that decides whether weights are worth exporting; higher is better."""
        ...

    def as_json(self) -> dict[str, object]:
        """For the log."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LossReport:
    """A report whose score is its loss."""

    loss: float
    """Mean cross entropy by weight, in nats."""

    @property
    def score(self) -> float:
        """Lower loss is better."""
        return -self.loss

    def as_json(self) -> dict[str, object]:
        """For the log."""
        return asdict(self)


def share_of(hits: Sequence[bool]) -> float:
    """How many are true, 0..1, four digits; 0 for none at all."""
    return round(sum(hits) / len(hits), 4) if hits else 0.0


class Task(Protocol):
    """One kind of adapter: where its rows come from and how good it is."""

    @property
    def kind(self) -> AdapterKind:
        """Written into the adapter file."""
        ...

    @property
    def model(self) -> Transformer:
        """The frozen network."""
        ...

    @property
    def block(self) -> int:
        """Longest block that training uses, in tokens."""
        ...

    def loss(self, adapter: Adapter, step: int, place: int, spend: Spend) -> PartLoss:
        """Loss of one context; the same one for the same step and place."""
        ...

    def evaluate(self, adapter: Adapter) -> Report:
        """Figures on held-out packages."""
        ...
