"""What clients send. Wrong types are refused by name, fields that are not here are ignored.

The OpenAPI document is made from these classes, so it cannot say anything else.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from midspan_engine.limits import MOST_ALTERNATIVES
from midspan_engine.protocol import Effort, Scope, Snippet  # noqa: TC001  read at run time

MOST_STOPS = 64
MOST_PROMPTS = 8

Stop = (
    Annotated[str, Meta(max_length=256)]
    | Annotated[
        tuple[Annotated[str, Meta(max_length=256)], ...],
        Meta(max_length=MOST_STOPS, description="Strings that end the text and are not part of it"),
    ]
)
Temperature = Annotated[
    float, Meta(ge=0, le=2, description="Accepted and not used: decoding is always greedy")
]
Share = Annotated[float, Meta(ge=0, le=1, description="Accepted and not used, as temperature")]
Penalty = Annotated[float, Meta(ge=-2, le=2, description="Accepted and not used")]
Seed = Annotated[
    int,
    Meta(
        description="Decoding draws nothing; with a seed the model reads only what is sent, not "
        "what slid out of the client's window since its last request"
    ),
]
Patterns = Annotated[
    tuple[Annotated[str, Meta(min_length=1, max_length=1000)], ...], Meta(max_length=64)
]
Positive = Annotated[int, Meta(ge=1, le=2**31 - 1)]
Alternatives = Annotated[
    int,
    Meta(
        ge=1,
        le=MOST_ALTERNATIVES,
        description="Alternatives wanted; fewer come back where two would be the same text",
    ),
]


class Body(msgspec.Struct, frozen=True, kw_only=True):
    """Base of all of them."""


class Extras(Body, frozen=True, kw_only=True):
    """What only Midspan has, under the name `midspan`. See the engine's `InfillRequest`.

    Attributes:
        effort: `verified`, `balanced` or `draft`; the server's own choice if it is left out.
        steps: For `draft`: passes to fill a block of masks in.
        scope: `line` ends at the first line break, `block` by `block_indent`.
        block_indent: A block ends at the first line that is indented less than so many columns.
        language: LSP language identifier; if it is left out, from `path`, and without that Python
            is told from the text.
        path: Of the file, relative to the workspace.
        draft: A guess of the text; it changes the speed and, verified, never the result.
        snippets: Other text of use, most relevant last.
        budget_ms: Time after which the best so far is returned.
        canvas: Stream the canvas after every pass, token by token with probabilities.
        forbid: Regular expressions that nothing in the text may match.
        require: Texts that it has to contain, in this order; for canvas models.
    """

    effort: Effort | None = None
    steps: Annotated[int, Meta(ge=1, le=64)] | None = None
    scope: Scope = "block"
    block_indent: Annotated[int, Meta(ge=0, le=1000)] = 0
    language: Annotated[str, Meta(max_length=64)] = ""
    path: Annotated[str, Meta(max_length=4096)] = ""
    draft: Annotated[str, Meta(max_length=8192)] = ""
    snippets: Annotated[tuple[Snippet, ...], Meta(max_length=256)] = ()
    budget_ms: Positive | None = None
    canvas: bool = False
    forbid: Patterns = ()
    require: Patterns = ()


class StreamOptions(Body, frozen=True, kw_only=True):
    """OpenAI's."""

    include_usage: bool | None = None


class CompletionBody(Body, frozen=True, kw_only=True):
    """`POST /v1/completions`, OpenAI's legacy completions with `suffix`."""

    # Token ids are another model's, so their type refuses them.
    prompt: str | Annotated[tuple[str, ...], Meta(min_length=1, max_length=MOST_PROMPTS)]
    model: str | None = None
    suffix: str | None = None
    max_tokens: Positive | None = None
    temperature: Temperature | None = None
    top_p: Share | None = None
    frequency_penalty: Penalty | None = None
    presence_penalty: Penalty | None = None
    n: Alternatives | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    stop: Stop | None = None
    logprobs: (
        Annotated[
            int,
            Meta(
                ge=0,
                le=5,
                description="Log-probability of each token; alternatives to it are not kept, so "
                "any number gives the token itself. Refused with stream",
            ),
        ]
        | None
    ) = None
    echo: Annotated[bool, Meta(description="Refused where true")] | None = None
    seed: Seed | None = None
    user: Annotated[str, Meta(max_length=256)] | None = None
    midspan: Extras | None = None


class FimBody(Body, frozen=True, kw_only=True):
    """`POST /v1/fim/completions`, Mercury's."""

    prompt: str
    model: str | None = None
    suffix: str | None = None
    max_tokens: Positive | None = None
    temperature: Temperature | None = None
    top_p: Share | None = None
    top_k: int | None = None
    frequency_penalty: Penalty | None = None
    presence_penalty: Penalty | None = None
    repetition_penalty: float | None = None
    stop: Stop | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    seed: Seed | None = None
    user: Annotated[str, Meta(max_length=256)] | None = None
    midspan: Extras | None = None


class TextPart(Body, frozen=True, kw_only=True):
    """A piece of a message."""

    text: str
    type: str = "text"


class Message(Body, frozen=True, kw_only=True):
    """One turn of a conversation."""

    role: str
    content: str | tuple[TextPart, ...] | None = None

    @property
    def text(self) -> str:
        """The content as one string."""
        if isinstance(self.content, tuple):
            return "".join(part.text for part in self.content)
        return self.content or ""


Messages = Annotated[tuple[Message, ...], Meta(min_length=1, max_length=1024)]


class EditBody(Body, frozen=True, kw_only=True):
    """`POST /v1/edit/completions`, Mercury's: one user message with the file and its history."""

    messages: Messages
    model: str | None = None
    max_tokens: int | None = None
    temperature: Temperature | None = None
    top_p: Share | None = None
    stream: bool | None = None
    user: Annotated[str, Meta(max_length=256)] | None = None
    midspan: Extras | None = None


class ResponseFormat(Body, frozen=True, kw_only=True):
    """Only `text` is served."""

    type: str = "text"


class ChatBody(Body, frozen=True, kw_only=True):
    """`POST /v1/chat/completions`, OpenAI's, with Mercury's `diffusing`."""

    messages: Messages
    model: str | None = None
    max_tokens: Annotated[int, Meta(ge=-1, le=2**31 - 1)] | None = None
    max_completion_tokens: Positive | None = None
    temperature: Temperature | None = None
    top_p: Share | None = None
    n: Alternatives | None = None
    stop: Stop | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    diffusing: (
        Annotated[bool, Meta(description="Stream the whole canvas after every pass")] | None
    ) = None
    logprobs: Annotated[bool, Meta(description="Refused where true")] | None = None
    tools: Annotated[tuple[Any, ...], Meta(description="Refused unless empty")] | None = None
    response_format: ResponseFormat | None = None
    user: Annotated[str, Meta(max_length=256)] | None = None
    midspan: Extras | None = None


class ExtraChunk(Body, frozen=True, kw_only=True):
    """A piece of another file, oldest first."""

    text: str
    filename: str | None = None


class LlamaInfillBody(Body, frozen=True, kw_only=True):
    """`POST /infill`, llama.cpp's. `prompt` is the part of the line before the cursor."""

    input_prefix: str | None = None
    input_suffix: str | None = None
    input_extra: Annotated[tuple[ExtraChunk, ...], Meta(max_length=256)] | None = None
    prompt: str | None = None
    n_predict: Annotated[
        int, Meta(ge=-1, le=2**31 - 1, description="-1: as many as the server gives; 0: none")
    ] = -1
    n_indent: Annotated[int, Meta(ge=0, le=1000)] = 0
    stop: Stop | None = None
    stream: bool | None = None
    temperature: float | None = None
    top_p: float | None = None
    seed: Seed | None = None
    t_max_predict_ms: Annotated[
        int, Meta(ge=0, description="End behind the first line once this has gone by; 0: never")
    ] = 0
    response_fields: Annotated[tuple[str, ...], Meta(max_length=256)] | None = None
    midspan: Extras | None = None


def stops(stop: Stop | None) -> tuple[str, ...]:
    """The stop strings of a body, without empty ones."""
    given = (stop,) if isinstance(stop, str) else stop or ()
    return tuple(string for string in given if string)
