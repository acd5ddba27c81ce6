"""`Settings`: what the user chose, decoded once from what the client sent.

Options arrive as `initializationOptions` and as `workspace/didChangeConfiguration`, keys in
camelCase. Each key is decoded by itself, so that a bad one costs its own default and nothing else.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin

import msgspec

from midspan_engine.protocol import Effort  # noqa: TC001  msgspec reads it at run time
from midspan_server.backends.settings import BackendSettings, problem_of
from midspan_server.next_edit.acceptance import Show  # noqa: TC001  likewise
from midspan_server.patterns import is_pattern

# Fitted: of what is shown then 0.69 is right, and 0.85 of what is right is shown (457 tasks).
DEFAULT_THRESHOLD = 0.45

_LONGEST_PATTERN = 1_000

# Far beyond what a model reads in a second, and far below what the wire carries.
_Characters = Annotated[int, msgspec.Meta(ge=0, le=32_000)]
_Tokens = Annotated[int, msgspec.Meta(ge=1, le=512)]
_Probability = Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]


class ContextSettings(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What the model may read around the cursor.

    Attributes:
        prefix_chars: Budget before the cursor, in characters.
        suffix_chars: Budget after the cursor, likewise.
        snippet_chars: Budget of all snippets together, likewise.
        snippets: Whether pieces of other open files are read.
        recent_edits: Whether recent edits are read.
    """

    prefix_chars: Annotated[int, msgspec.Meta(ge=1, le=32_000)] = 2000
    suffix_chars: _Characters = 500
    snippet_chars: _Characters = 600
    snippets: bool = True
    recent_edits: bool = True


class EngineSettings(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """How the engine is reached.

    Attributes:
        socket: Path of its Unix socket; "" for the user's own engine.
        autostart: Whether it is started when it is not running.
        command: Command that starts it, where the engine lives in another environment.
        idle_minutes: How long a started engine lives without requests. Not passed to a `command`,
            which brings all its arguments, `--idle-minutes` too.
        start_timeout_s: How long a request waits for an engine that starts or loads.
    """

    socket: str = ""
    autostart: bool = True
    command: tuple[str, ...] = ()
    idle_minutes: Annotated[int, msgspec.Meta(ge=1, le=10_080)] = 30
    start_timeout_s: Annotated[int, msgspec.Meta(ge=1, le=3_600)] = 120


class NextEditSettings(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Edits that follow from the last ones.

    Attributes:
        enabled: Off when the client starts means that the capability is not advertised.
        on_save: Whether next edits are looked for when a file is saved; editors that draw them
            read this themselves.
        idle_ms: Pause in typing after which they are looked for; None for never.
        model: Whether the model is asked where no rename or repeated change goes on.
        show: How likely an edit must be taken to be shown: `eager` shows doubtful ones, `quiet`
            hardly any that is not wanted.
        budget_ms: For all the regions that the model is asked about after a save or an accept.
        likelihood: Whether the model is first asked which regions became unlikely. Off, as it takes
            seconds and finds the place no more often.
        hints: Whether editors that draw no next edits get them as diagnostics with quick fixes.
    """

    enabled: bool = True
    on_save: bool = True
    idle_ms: Annotated[int, msgspec.Meta(ge=100, le=60_000)] | None = None
    model: bool = True
    show: Show = "balanced"
    budget_ms: Annotated[int, msgspec.Meta(ge=100, le=60_000)] = 2500
    likelihood: bool = False
    hints: bool = True


class Settings(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """All settings, defaults included.

    Attributes:
        enabled: Off means that nothing is read and nothing is asked.
        languages: Switch for each LSP language identifier; "*" is for those not named, else on.
        exclude: Globs of files that get no suggestions and are never read into a context.
        forbid: Regular expressions that no suggestion may match: secrets, banned calls. The engine
            keeps to them while it writes, so that it finds another way to say it.
        comments: Whether to complete inside comments.
        strings: Whether to complete inside strings.
        threshold: Confidence below which an automatic suggestion is not shown.
        effort: `verified` is exactly the autoregressive answer, `balanced` accepts words that are
            nearly as likely to save time, `draft` is pure diffusion.
        steps: Passes in which `draft` fills a block of masks; None lets confidence decide.
        max_line_tokens: Upper bound for a suggestion of one line.
        max_block_tokens: Upper bound for a block.
        alternatives: Suggestions for a request that the user made by hand.
        debounce_ms: Pause before the engine is asked; None adapts it to the typing speed.
        budget_ms: Time after which the engine returns what it has; None for no limit.
        status_notifications: Whether the client takes `midspan/status`. Off, since some clients
            warn of notifications that they do not know; the client's capability
            `experimental.midspanStatus` says the same.
    """

    enabled: bool = True
    languages: dict[str, bool] = {}
    exclude: tuple[str, ...] = ()
    forbid: tuple[str, ...] = ()
    comments: bool = True
    strings: bool = True
    threshold: _Probability = DEFAULT_THRESHOLD
    effort: Effort = "verified"
    steps: Annotated[int, msgspec.Meta(ge=1, le=64)] | None = None
    max_line_tokens: _Tokens = 48
    max_block_tokens: _Tokens = 128
    alternatives: Annotated[int, msgspec.Meta(ge=1, le=10)] = 3
    debounce_ms: Annotated[int, msgspec.Meta(ge=0, le=10_000)] | None = None
    budget_ms: Annotated[int, msgspec.Meta(ge=1, le=600_000)] | None = 2000
    status_notifications: bool = False
    next_edit: NextEditSettings = NextEditSettings()
    context: ContextSettings = ContextSettings()
    engine: EngineSettings = EngineSettings()
    backend: BackendSettings = BackendSettings()

    def enabled_for(self, language: str) -> bool:
        """Return whether documents of `language` get suggestions."""
        others = self.languages.get("*", True)
        return self.enabled and self.languages.get(language, others)


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A key that was not used: `key` with its section, what was `wrong`, the `default` instead."""

    key: str
    wrong: str
    default: object

    def __str__(self) -> str:
        """Return the sentence shown to the user."""
        default = msgspec.json.encode(self.default).decode()
        return f"Midspan: setting {self.key}: {self.wrong}; using {default}."


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    """Settings that can be used as they are, and what had to be left out."""

    settings: Settings
    problems: tuple[Problem, ...] = ()
    unknown: tuple[str, ...] = ()


def decode_settings(options: object) -> Decoded:
    """Decode what a client sent; None and missing keys mean the defaults. Never raises."""
    if options is None:
        return Decoded(settings=Settings())
    decoder = _Decoder()
    settings = decoder.globs_checked(decoder.struct(Settings, options, "midspan"))
    settings = decoder.backend_checked(decoder.patterns_checked(settings))
    return Decoded(
        settings=settings, problems=tuple(decoder.problems), unknown=tuple(decoder.unknown)
    )


def problem_of_pattern(pattern: str) -> str:
    """What is wrong with something that is to be forbidden; "" for nothing."""
    try:
        matches_nothing = re.search(pattern, "") is not None
    except re.error as error:
        return f"is not a regular expression: {error}"
    if len(pattern) > _LONGEST_PATTERN:
        return f"is longer than {_LONGEST_PATTERN} characters"
    return "matches empty text, so it would forbid everything" if matches_nothing else ""


_Struct = TypeVar("_Struct", bound=msgspec.Struct)


class _Decoder:
    """Decodes key by key and collects what could not be used."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.unknown: list[str] = []

    def struct(self, kind: type[_Struct], options: object, section: str) -> _Struct:
        default = kind()
        if not isinstance(options, dict):
            wrong = f"expected an object, got {type(options).__name__}"
            self._refuse(section, wrong, default)
            return default
        fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
        self.unknown += [f"{section}.{key}" for key in options if key not in fields]
        values: dict[str, Any] = {}
        for name, field in fields.items():
            if name in options:
                standard = getattr(default, field.name)
                values[field.name] = self._field(
                    field.type, options[name], f"{section}.{name}", standard
                )
        return kind(**values)

    def globs_checked(self, settings: Settings) -> Settings:
        usable = tuple(glob for glob in settings.exclude if is_pattern(glob))
        for glob in settings.exclude:
            if glob not in usable:
                self._refuse("midspan.exclude", f"{glob!r} is not a pattern", usable)
        return msgspec.structs.replace(settings, exclude=usable)

    def patterns_checked(self, settings: Settings) -> Settings:
        usable = tuple(pattern for pattern in settings.forbid if not problem_of_pattern(pattern))
        for pattern in settings.forbid:
            if wrong := problem_of_pattern(pattern):
                self._refuse("midspan.forbid", f"{pattern!r} {wrong}", usable)
        return msgspec.structs.replace(settings, forbid=usable)

    def backend_checked(self, settings: Settings) -> Settings:
        """Whatever is wrong there, source text goes nowhere that was not meant."""
        wrong: tuple[str, str] | None = problem_of(settings.backend)
        if wrong is None and any(one.key.startswith("midspan.backend") for one in self.problems):
            wrong = "kind", "other keys of the section are wrong"
        if wrong is None:
            return settings
        self._refuse(f"midspan.backend.{wrong[0]}", wrong[1], {"kind": "midspan"})
        return msgspec.structs.replace(settings, backend=BackendSettings())

    def _field(self, kind: Any, value: object, key: str, default: object) -> Any:
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            return self.struct(kind, value, key)
        if get_origin(kind) is dict and isinstance(value, dict):
            entry = get_args(kind)[1]
            standard = entry is bool or ""
            return {
                str(name): self._field(entry, one, f"{key}.{name}", standard)
                for name, one in value.items()
            }
        try:
            return msgspec.convert(value, kind)
        except msgspec.ValidationError as error:
            self._refuse(key, _plain(error, kind), default)
            return default

    def _refuse(self, key: str, wrong: str, default: object) -> None:
        self.problems.append(Problem(key=key, wrong=wrong, default=default))


def _plain(error: msgspec.ValidationError, kind: Any) -> str:
    if get_origin(kind) is Literal:
        return f"expected one of {', '.join(get_args(kind))}"
    text = str(error)
    return text[:1].lower() + text[1:]
