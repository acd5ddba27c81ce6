"""Raw prompts for fill-in-the-middle, as the models were trained with them."""

from __future__ import annotations

import re
from dataclasses import dataclass

_PLACES = re.compile(r"\{(prefix|suffix)\}")


@dataclass(frozen=True, slots=True)
class Template:
    """A prompt with `{prefix}` and `{suffix}`, and what ends an answer beside the model's own end.

    Special tokens have text too: in `stops` they cut what a server prints instead of ending.
    """

    text: str
    stops: tuple[str, ...] = ()

    def prompt(self, prefix: str, suffix: str) -> str:
        """Return the prompt; a marker of the model's that stands in the user's text is broken up.

        It would be read as the token and not as its letters.
        """
        values = {"prefix": self._plain(prefix), "suffix": self._plain(suffix)}
        return _PLACES.sub(lambda place: values[place[1]], self.text)

    def _plain(self, text: str) -> str:
        for marker in self.stops:
            text = text.replace(marker, f"{marker[0]} {marker[1:]}")
        return text


_QWEN = ("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>")
_STARCODER = ("<fim_prefix>", "<fim_suffix>", "<fim_middle>")
_DEEPSEEK = ("<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>")  # noqa: RUF001  the model's own

TEMPLATES = {
    "qwen": Template(
        "<|fim_prefix|>{prefix}<|fim_suffix|>{suffix}<|fim_middle|>",
        ("<|endoftext|>", "<|file_sep|>", "<|fim_pad|>", *_QWEN, "<|repo_name|>", "<|im_end|>"),
    ),
    "starcoder": Template(
        "<fim_prefix>{prefix}<fim_suffix>{suffix}<fim_middle>",
        ("<|endoftext|>", "<file_sep>", *_STARCODER, "<repo_name>"),
    ),
    "deepseek": Template(
        "<｜fim▁begin｜>{prefix}<｜fim▁hole｜>{suffix}<｜fim▁end｜>",  # noqa: RUF001  likewise
        ("<｜end▁of▁sentence｜>", *_DEEPSEEK, "<|EOT|>"),  # noqa: RUF001
    ),
    "codestral": Template("[SUFFIX]{suffix}[PREFIX]{prefix}", ("[PREFIX]", "[SUFFIX]", "</s>")),
    "codegemma": Template(
        "<|fim_prefix|>{prefix}<|fim_suffix|>{suffix}<|fim_middle|>",
        ("<|file_separator|>", *_QWEN, "<end_of_turn>", "<eos>"),
    ),
}


def template(chosen: str) -> Template | None:
    """Return the named template, or the user's own; None for ""."""
    return (TEMPLATES.get(chosen) or Template(chosen)) if chosen else None


def is_template(chosen: str) -> bool:
    """Whether it is a name that we know, or a text with each place once."""
    return chosen in TEMPLATES or sorted(_PLACES.findall(chosen)) == ["prefix", "suffix"]
