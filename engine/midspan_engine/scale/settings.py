"""What an application is started with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from midspan_engine.http.service import Limits
from midspan_engine.protocol import Effort, MidspanError, socket_path
from midspan_engine.runtime import RuntimeName  # noqa: TC001  msgspec reads it
from midspan_engine.service.process import EngineConfig

if TYPE_CHECKING:
    from collections.abc import Mapping

_MIB, _KIB = 1024 * 1024, 1024
_DEFAULTS = Limits()


class SettingsUnusable(MidspanError):  # noqa: N818  named for what is wrong
    """An argument of the application is unknown or has the wrong type."""


class ScaleSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Arguments of the application: `args` in a config file, `name=value` after `serve run`.

    Attributes:
        model: Name or folder of the model, the same on every node.
        runtime: See `runtime.create_runtime`.
        cache_mb: Context cache of each replica.
        threads: Of each replica; 0 for one for each of `cpus`.
        cpus: That Ray reserves for each replica.
        gpus: Likewise; 0 for none.
        least_replicas: That run always.
        most_replicas: That may run.
        target_requests: For each replica, those that wait included; more or fewer replicas are
            started or ended to get there.
        most_requests: Of one replica at a time; more wait, or go elsewhere.
        most_waiting: For a replica with room; more get 429.
        most_tokens: Of one answer.
        most_body_kb: Of one request.
        timeout_s: Of one request.
        drain_s: That a replica which is to end may take to finish what it has.
        effort: Where a request names none.
        api_key_file: On the node of the front; without it only this machine is served.
    """

    model: str = "midspan-0.5b"
    runtime: RuntimeName = "auto"
    cache_mb: int = 256
    threads: int = 0
    cpus: float = 2.0
    gpus: float = 0.0
    least_replicas: int = 1
    most_replicas: int = 4
    target_requests: float = 4.0
    most_requests: int = _DEFAULTS.requests
    most_waiting: int = 64
    most_tokens: int = _DEFAULTS.tokens
    most_body_kb: int = _DEFAULTS.body_bytes // _KIB
    timeout_s: float = _DEFAULTS.patience_s
    drain_s: float = 30.0
    effort: Effort = "verified"
    api_key_file: str = ""

    @property
    def limits(self) -> Limits:
        """What one request may take."""
        return Limits(
            body_bytes=self.most_body_kb * _KIB,
            requests=self.most_requests,
            patience_s=self.timeout_s,
            tokens=min(self.most_tokens, _DEFAULTS.tokens),
        )

    @property
    def key_file(self) -> Path | None:
        """Of the API keys."""
        return Path(self.api_key_file) if self.api_key_file else None

    def engine(self, adapters: AdapterChoice) -> EngineConfig:
        """How each replica's engine runs."""
        return EngineConfig(
            model=self.model,
            socket=socket_path(),  # nobody listens on it
            runtime=self.runtime,
            infill=adapters.infill,
            adapter=adapters.adapter,
            edits=adapters.edits,
            cache_bytes=self.cache_mb * _MIB,
            threads=self.threads or max(int(self.cpus), 1),
        )


class AdapterChoice(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The `user_config` of the engines: it can change while they run.

    Attributes:
        infill: See `EngineConfig`; a path must be there on every node.
        adapter: Likewise.
        edits: Likewise.
    """

    infill: str = "auto"
    adapter: str = "none"
    edits: str = "auto"


def read_settings(args: Mapping[str, Any]) -> ScaleSettings:
    """Arguments as Ray hands them over; from a command line all of them are strings.

    Raises:
        SettingsUnusable: one is unknown or has the wrong type.
    """
    try:
        return msgspec.convert(dict(args), ScaleSettings, strict=False)
    except msgspec.ValidationError as error:
        raise SettingsUnusable(f"the application's arguments: {error}") from error


def read_adapters(user_config: Mapping[str, Any]) -> AdapterChoice:
    """The engines' `user_config`.

    Raises:
        SettingsUnusable: something in it is unknown or has the wrong type.
    """
    try:
        return msgspec.convert(dict(user_config), AdapterChoice)
    except msgspec.ValidationError as error:
        raise SettingsUnusable(f"user_config: {error}") from error
