"""Infilling prompts that a client has put together itself, in the marks of some model family.

Clients that know no `suffix` send them to `/v1/completions`. Here text is only ever text, so they
are taken apart again; whose marks they are does not matter.
"""

from __future__ import annotations

_FAMILIES = (
    ("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"),  # Qwen, CodeGemma
    ("<fim_prefix>", "<fim_suffix>", "<fim_middle>"),  # StarCoder
    ("<fim-prefix>", "<fim-suffix>", "<fim-middle>"),
    ("<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>"),  # noqa: RUF001  DeepSeek
    ("<PRE> ", " <SUF>", " <MID>"),  # Code Llama
)

_FILES = ("<|repo_name|>", "<|file_sep|>", "<|file_separator|>", "<file_sep>")


def split_raw(prompt: str) -> tuple[str, str]:
    """Prefix and suffix of an infilling prompt; of any other text, all of it and nothing.

    What stands before the first mark, a repository's name or other files, is kept as text.
    """
    for first, second, third in _FAMILIES:
        if prompt.rstrip().endswith(third) and first in prompt:
            before, _, rest = prompt.rstrip().removesuffix(third).rpartition(first)
            prefix, found, suffix = rest.partition(second)
            if found:
                for mark in _FILES:
                    before = before.replace(mark, "")
                return before + prefix, suffix
    if prompt.startswith("[SUFFIX]") and "[PREFIX]" in prompt:  # Codestral
        suffix, _, prefix = prompt.partition("[SUFFIX]")[2].partition("[PREFIX]")
        return prefix, suffix
    return prompt, ""
