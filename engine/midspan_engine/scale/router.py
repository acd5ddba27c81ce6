"""Ray Serve's side of `affinity`: every front has a router, and all of them agree."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ray.serve.request_router import RequestRouter

from midspan_engine.scale.affinity import SPILL, in_order

if TYPE_CHECKING:
    from ray.serve.request_router import PendingRequest, RunningReplica


class SessionRouter(RequestRouter):
    """Sends the requests of one session to the replica that holds its cache.

    A replica that is full or gone is passed over: the session's second choice gets the request.
    Loads are those that this router knows: its own requests, and what replicas last told it.
    """

    _spill = SPILL

    def initialize_state(self, **kwargs: int) -> None:
        """Take `request_router_kwargs`: `spill`, see `affinity`."""
        self._spill = kwargs.get("spill", SPILL)

    async def choose_replicas(
        self,
        candidate_replicas: list[RunningReplica],
        pending_request: PendingRequest | None = None,
    ) -> list[list[RunningReplica]]:
        """One replica a rank, best first."""
        session = ""
        if pending_request is not None:
            session = pending_request.metadata.session_id
            pending_request.routing_context.should_backoff = True  # or a full house spins
        replicas = {str(replica.replica_id.unique_id): replica for replica in candidate_replicas}
        loads = {
            name: self.replica_queue_len_cache.get(replica.replica_id) or 0
            for name, replica in replicas.items()
        }
        return [[replicas[name]] for name in in_order(session, loads, spill=self._spill)]
