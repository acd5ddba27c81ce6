"""The application on a real Ray with two replicas, one of which is killed under load."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import psutil
import pytest
import yaml  # type: ignore[import-untyped]
from safetensors.numpy import save_file

from midspan_engine.models.adapter_file import FORMAT_VERSION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from midspan_engine.models.adapter_file import AdapterArrays

pytestmark = pytest.mark.slow

PATIENCE_S = 60.0
CONFIG = Path(__file__).parents[3] / "docs" / "scale.yaml"
USERS = [f"user-{number}" for number in range(16)]
"""So many that each of two replicas has some, but for once in 30,000 runs."""


@dataclass
class Cluster:
    process: subprocess.Popen[str]
    folder: Path
    model: Path
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def deploy(self, adapter: str) -> None:
        """Give the documented config file to `serve run`, made small."""
        config = yaml.safe_load(CONFIG.read_text())
        config["http_options"]["port"] = self.port
        (application,) = config["applications"]
        application["args"] |= {
            "model": str(self.model), "cache_mb": 16, "cpus": 0.5, "most_replicas": 2,
        }  # fmt: skip
        (engine,) = application["deployments"]
        engine["user_config"] = {"infill": "none", "adapter": adapter}
        file = self.folder / f"{time.monotonic_ns()}.yaml"
        file.write_text(yaml.safe_dump(config))
        assert self.process.stdin
        self.process.stdin.write(f"{file}\n")
        self.process.stdin.flush()

    def homes(self) -> dict[str, int]:
        """The process that answers each user."""
        with httpx.Client(base_url=self.url, timeout=PATIENCE_S) as web:
            answers = {user: web.post("/v1/completions", json=body(user, 1)) for user in USERS}
        return {
            user: pid_of(answer.json()["id"])
            for user, answer in answers.items()
            if answer.status_code == 200
        }

    def replicas(self) -> set[int]:
        """Processes that answer."""
        return set(self.homes().values())

    def typists(self) -> list[str]:
        """Three users of each replica: too few for the load to move anybody."""
        homes = self.homes()
        return [u for pid in self.replicas() for u in [u for u in USERS if homes[u] == pid][:3]]


def save_adapter(adapter: AdapterArrays, path: Path) -> None:
    """As a file of kind `mask` for weights without a sum."""
    assert adapter.mask_embedding is not None
    tensors = {"mask_embedding": adapter.mask_embedding}
    for (layer, name), (first, second) in adapter.pairs.items():
        tensors |= {
            f"layers.{layer}.{name}.lora_{end}": array
            for end, array in (("a", first), ("b", second))
        }
    said = {"base_sha256": "", "base_name": "tiny", "rank": "4", "alpha": "4", "block": "8"}
    save_file(tensors, path, {"format": FORMAT_VERSION, "tokens_trained": "0"} | said)


def body(user: str, tokens: int, **more: Any) -> dict[str, Any]:
    prompt = f"# {user}\ndef load_module(name, path):\n    "
    return {"prompt": prompt, "max_tokens": tokens, "user": user} | more


def long_body(user: str) -> dict[str, Any]:
    """What takes even the tiny network a second or two."""
    prompts = [f"# {number}\n" + "class Reader:\n" * 60 for number in range(8)]
    return body(user, 512) | {"prompt": prompts, "n": 8}


def pid_of(answer_id: str) -> int:
    return int(answer_id.rpartition("-")[2], 16)


def wait_for(holds: Callable[[], bool], cluster: Cluster) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        assert cluster.process.poll() is None, (cluster.folder / "log").read_text()
        try:
            if holds():
                return
        except httpx.TransportError:
            pass
        assert time.monotonic() < deadline
        time.sleep(0.2)


@pytest.fixture(scope="module")
def cluster(tiny_folder: Path) -> Iterator[Cluster]:
    folder = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))  # sockets need a short path
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder / "token").write_text(secrets.token_hex(32))
    home = {"RAY_AUTH_TOKEN_PATH": str(folder / "token"), "RAY_USAGE_STATS_ENABLED": "0"}
    command = [sys.executable, str(Path(__file__).with_name("cluster.py")), str(folder)]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=log, stderr=log, text=True,
            env=os.environ | home, start_new_session=True,
        )  # fmt: skip
    made = Cluster(process, folder, tiny_folder, port)
    try:
        made.deploy("none")
        wait_for(lambda: len(made.replicas()) == 2, made)
        yield made
    finally:
        _end(process)
        shutil.rmtree(folder, ignore_errors=True)


def _end(process: subprocess.Popen[str]) -> None:
    """End Ray, and see that nothing is left of it."""
    started = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
    assert process.stdin
    process.stdin.close()
    try:
        process.wait(PATIENCE_S)
    finally:
        _, left = psutil.wait_procs(started, 10)
        for one in left:
            one.kill()
    assert not left


@dataclass
class Outcomes:
    """What clients got: the replica of each answer by user, and errors by their code."""

    served: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    errors: Counter[str] = field(default_factory=Counter)

    def take(self, user: str, status: int, headers: httpx.Headers, answer: dict[str, Any]) -> None:
        if status == 200:
            self.served[user].append(pid_of(answer["id"]))
            return
        assert status in {429, 503}, answer
        assert int(headers["retry-after"]) >= 1
        self.errors[answer["error"]["code"]] += 1


async def keep_asking(url: str, user: str, outcomes: Outcomes, until: Callable[[], bool]) -> None:
    """Answers and streams in turns, as long as `until` is not reached."""
    async with httpx.AsyncClient(base_url=url, timeout=PATIENCE_S) as web:
        while not until():
            answer = await web.post("/v1/completions", json=body(user, 96))
            outcomes.take(user, answer.status_code, answer.headers, answer.json())
            async with web.stream(
                "POST", "/v1/completions", json=body(user, 96, stream=True)
            ) as stream:
                lines = [line async for line in stream.aiter_lines() if line]
            if stream.status_code != 200:
                outcomes.take(user, stream.status_code, stream.headers, json.loads(lines[0]))
            elif lines[-1] == "data: [DONE]":
                outcomes.take(user, 200, stream.headers, json.loads(lines[0][6:]))
            else:  # it was cut off, and says so
                outcomes.errors[json.loads(lines[-1][6:])["error"]["code"]] += 1


def test_requests_of_a_user_stay_on_one_replica_and_both_replicas_work(cluster: Cluster) -> None:
    outcomes = Outcomes()
    homes, typists = cluster.homes(), cluster.typists()

    def done(user: str) -> Callable[[], bool]:
        return lambda: len(outcomes.served[user]) >= 6

    async def together() -> None:
        await asyncio.gather(*(keep_asking(cluster.url, u, outcomes, done(u)) for u in typists))

    asyncio.run(together())
    assert not outcomes.errors
    assert {user: set(pids) for user, pids in outcomes.served.items()} == {
        user: {homes[user]} for user in typists
    }
    assert len({homes[user] for user in typists}) == 2


def test_hanging_up_ends_the_request_in_the_replica(cluster: Cluster) -> None:
    session = {"X-Session-Id": "hung-up"}
    with httpx.Client(base_url=cluster.url, timeout=PATIENCE_S, headers=session) as web:
        with pytest.raises(httpx.ReadTimeout):
            web.post("/v1/completions", json=long_body("u"), timeout=0.25)
        wait_for(lambda: "midspan_disconnects_total{route=" in web.get("/metrics").text, cluster)
        assert web.get("/health").json()["waiting"] == 0
        assert web.post("/v1/completions", json=body("u", 4)).status_code == 200


def test_another_adapter_is_rolled_out_without_an_error_or_a_restart(
    cluster: Cluster, tiny_adapter: AdapterArrays
) -> None:
    outcomes = Outcomes()
    before = cluster.replicas()
    save_adapter(tiny_adapter, cluster.folder / "adapter.safetensors")

    async def have_it() -> bool:
        await asyncio.sleep(0.5)
        async with httpx.AsyncClient(base_url=cluster.url, timeout=PATIENCE_S) as web:
            answers = [await web.get("/health", headers={"X-Session-Id": user}) for user in USERS]
        return all(answer.json()["adapter"] for answer in answers)

    async def together() -> None:
        done = False
        deadline = time.monotonic() + PATIENCE_S
        asking = asyncio.gather(
            *(keep_asking(cluster.url, user, outcomes, lambda: done) for user in USERS[:4])
        )
        cluster.deploy(str(cluster.folder / "adapter.safetensors"))
        while not done:
            done = await have_it() or time.monotonic() > deadline
        await asking
        assert time.monotonic() < deadline

    asyncio.run(together())
    assert not outcomes.errors
    assert all(outcomes.served[user] for user in USERS[:4])
    assert cluster.replicas() == before


def test_a_replica_killed_under_load_costs_errors_to_retry_only_and_is_replaced(
    cluster: Cluster,
) -> None:
    outcomes = Outcomes()
    before = cluster.replicas()
    victim = min(before)
    homes, typists = cluster.homes(), cluster.typists()

    async def kill_at_work() -> None:
        """End the victim while it answers, so that at least one answer is lost."""
        caught = next(user for user in typists if homes[user] == victim)
        async with httpx.AsyncClient(base_url=cluster.url, timeout=PATIENCE_S) as web:
            losing = asyncio.create_task(web.post("/v1/completions", json=long_body(caught)))
            await asyncio.sleep(0.3)
            os.kill(victim, signal.SIGKILL)
            answer = await losing
        outcomes.take(caught, answer.status_code, answer.headers, answer.json())
        assert answer.json()["error"]["code"] == "engine_lost"

    async def together() -> None:
        deadline = time.monotonic() + PATIENCE_S

        def over() -> bool:
            served = {pid for pids in outcomes.served.values() for pid in pids}
            return bool(served - before) or time.monotonic() > deadline

        asking = asyncio.gather(
            *(keep_asking(cluster.url, user, outcomes, over) for user in typists)
        )
        while not all(outcomes.served[user] for user in typists):
            await asyncio.sleep(0.1)
            assert time.monotonic() < deadline
        await kill_at_work()
        await asking

    asyncio.run(together())
    assert set(outcomes.errors) <= {"engine_lost", "queue_full"}
    for user in typists:
        pids = outcomes.served[user]
        assert pids[0] == homes[user]
        assert (victim in pids) == (homes[user] == victim)
        assert pids[-1] != victim  # whoever had it has moved, and has answers again
    wait_for(lambda: len(cluster.replicas()) == 2, cluster)
    assert victim not in cluster.replicas()
