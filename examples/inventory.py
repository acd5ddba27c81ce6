"""Stock of a small shop, kept in a CSV file."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Item:
    name: str
    price_cents: int
    quantity: int

    @property
    def value_cents(self) -> int:
        return self.price_cents * self.quantity


class Inventory:
    def __init__(self, items: list[Item]) -> None:
        self.items = {item.name: item for item in items}

    @classmethod
    def load(cls, path: Path) -> Inventory:
        with path.open(newline="") as file:
            rows = csv.DictReader(file)
            items = [
                Item(row["name"], int(row["price_cents"]), int(row["quantity"]))
                for row in rows
            ]
        return cls(items)

    def total_value_cents(self) -> int:
        """Return the value of everything in stock."""
        return sum(item.value_cents for item in self.items.values())

    def below(self, minimum: int) -> list[Item]:
        """Return the items of which fewer than `minimum` are left, scarcest first."""
        scarce = [item for item in self.items.values() if item.quantity < minimum]
        return sorted(scarce, key=lambda item: item.quantity)

    def remove(self, name: str, count: int) -> None:
        item = self.items[name]
        if item.quantity < count:
            raise ValueError(f"only {item.quantity} of {name} left")
        item.quantity -= count
