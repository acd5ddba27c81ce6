"""The Ray Serve application: fronts that clients reach, and replicas that own an engine each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from ray import serve
from ray.serve.config import AutoscalingConfig, BackpressureConfig

from midspan_engine.scale.front import front_app
from midspan_engine.scale.replica import EngineReplica
from midspan_engine.scale.settings import read_settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ray.serve import Application, Deployment
    from ray.serve.handle import DeploymentHandle, DeploymentResponseGenerator
    from starlette.types import ASGIApp, Message

    from midspan_engine.scale.front import Pieces
    from midspan_engine.scale.replica import Asked
    from midspan_engine.scale.settings import ScaleSettings

_ROUTER = "midspan_engine.scale.router.SessionRouter"
_HEALTH_PERIOD_S = 5.0
_HEALTH_TIMEOUT_S = 20.0
_DRAIN_LOOK_S = 0.5
_LOGGING = {"enable_access_log": False}
"""A line for every keystroke of everybody is of no use; Ray's metrics count them."""


@serve.ingress()
class _Front:
    """Runs `front_app` in a replica of its own; it holds no state, so any number may run."""

    def __init__(self, engines: DeploymentHandle[Any], settings: ScaleSettings) -> None:
        self._engines = engines.options(method_name="answer", stream=True)
        self._settings = settings

    def __serve_build_asgi_app__(self) -> ASGIApp:
        return front_app(self._ask, self._settings)

    def _ask(self, session: str, asked: Asked) -> Pieces:
        pieces = self._engines.options(session_id=session).remote(asked)
        return cast("DeploymentResponseGenerator[list[Message]]", pieces)


def app(args: Mapping[str, Any]) -> Application:
    """Build the application; `ScaleSettings` has the arguments.

    In a config file the deployments are `front` and `engine`; `user_config` of the latter is an
    `AdapterChoice`, and changing it exchanges the adapter replica by replica.

    Raises:
        SettingsUnusable: an argument is unknown or has the wrong type.
    """
    settings = read_settings(args)
    engines = _engines(settings).bind(settings)
    fronts = serve.deployment(
        name="front",
        max_ongoing_requests=settings.most_replicas * settings.most_requests
        + settings.most_waiting,
        ray_actor_options={"num_cpus": 0},
        logging_config=_LOGGING,
        graceful_shutdown_timeout_s=settings.drain_s,
        graceful_shutdown_wait_loop_s=_DRAIN_LOOK_S,
    )(_Front)
    return fronts.bind(engines, settings)


def _engines(settings: ScaleSettings) -> Deployment:
    return serve.deployment(
        name="engine",
        user_config={},  # so that `reconfigure` is called, which loads the engine
        ray_actor_options={"num_cpus": settings.cpus, "num_gpus": settings.gpus},
        max_ongoing_requests=settings.most_requests,
        max_queued_requests=settings.most_waiting,
        backpressure_config=BackpressureConfig(status_code=429, retry_after_s=1),
        autoscaling_config=AutoscalingConfig(
            min_replicas=settings.least_replicas,
            max_replicas=settings.most_replicas,
            target_ongoing_requests=settings.target_requests,
        ),
        logging_config=_LOGGING,
        request_router_config={"request_router_class": _ROUTER},
        health_check_period_s=_HEALTH_PERIOD_S,
        health_check_timeout_s=_HEALTH_TIMEOUT_S,
        graceful_shutdown_wait_loop_s=_DRAIN_LOOK_S,
        graceful_shutdown_timeout_s=settings.drain_s,
    )(EngineReplica)
