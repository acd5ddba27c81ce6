"""The bundled example project, and the places at which the demo leaves something out."""

from __future__ import annotations

import sysconfig
from dataclasses import dataclass
from pathlib import Path

from midspan_engine.protocol import MidspanError
from midspan_server.language_of import language_of


class ExamplesMissing(MidspanError):  # noqa: N818  named for what is missing
    """The example project is neither in a checkout nor among the installed data."""


@dataclass(frozen=True, slots=True)
class Gap:
    """A place in an example file.

    Attributes:
        file: Name of the file.
        behind: Text before the cursor; with `left_out` it occurs once in the file.
        left_out: What stands there and is left out.
    """

    file: str
    behind: str
    left_out: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfinished:
    """An example file as it is while somebody writes it: the cursor is between the two texts."""

    path: Path
    language: str
    before: str
    after: str

    @property
    def text(self) -> str:
        """The whole file."""
        return self.before + self.after

    @property
    def line(self) -> int:
        """Number of the cursor's line, from 0."""
        return self.before.count("\n")

    @property
    def character(self) -> int:
        """The cursor's place in its line; the examples hold no character beyond the BMP."""
        return len(self.before) - (self.before.rfind("\n") + 1)


GAPS = (
    Gap(
        "inventory.py",
        '"""Return the value of everything in stock."""\n        ',
        "return sum(item.value_cents for item in self.items.values())",
    ),
    Gap(
        "inventory.py",
        "if item.quantity < count:\n            ",
        'raise ValueError(f"only {item.quantity} of {name} left")',
    ),
    Gap("cart.ts", "if (line) {\n      ", "line.quantity += quantity;"),
    Gap("cart.ts", "total += ", "line.product.priceCents * line.quantity;"),
    Gap("orders.go", "if ", "order.Status == status {"),
    Gap(
        "orders.go",
        "func Total(orders []Order) int {\n\t",
        "total := 0\n"
        "\tfor _, order := range orders {\n"
        "\t\ttotal += order.Cents\n"
        "\t}\n"
        "\treturn total",
    ),
)


def example_folder() -> Path:
    """Return the project's folder: a checkout's own, else the installed one.

    Raises:
        ExamplesMissing: there is none.
    """
    checkout = Path(__file__).resolve().parents[2] / "examples"
    installed = Path(sysconfig.get_path("data"), "share", "midspan", "examples")
    for folder in (checkout, installed):
        if folder.is_dir():
            return folder
    raise ExamplesMissing(f"the example project is missing: neither {checkout} nor {installed}")


def unfinished(folder: Path, gap: Gap) -> Unfinished:
    """Return the file of `gap` without what is left out.

    Raises:
        ExamplesMissing: the file is not there, or not the one that `gap` was written for.
    """
    path = folder / gap.file
    whole = path.read_text(encoding="utf-8") if path.is_file() else ""
    if whole.count(gap.behind + gap.left_out) != 1:
        raise ExamplesMissing(f"{path} is not the example file that came with this version")
    cursor = whole.index(gap.behind + gap.left_out) + len(gap.behind)
    return Unfinished(
        path=path,
        language=language_of(path),
        before=whole[:cursor],
        after=whole[cursor + len(gap.left_out) :],
    )
