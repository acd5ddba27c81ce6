"""The training loop: steps, guards, checkpoints, evaluations, export."""

from __future__ import annotations

import json
import logging
import math
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

import torch
from torch import nn
from tqdm import tqdm

from midspan_engine.training.checkpoint import (
    CheckpointError,
    RunState,
    load_checkpoint,
    save_checkpoint,
)
from midspan_engine.training.curves import draw_curves

if TYPE_CHECKING:
    from torch import Tensor

    from midspan_engine.training.learner import Learner
    from midspan_engine.training.processes import Processes
    from midspan_engine.training.run_files import RunFiles
    from midspan_engine.training.settings import LoopSettings
    from midspan_engine.training.task import Report

_LOG = logging.getLogger(__name__)
_LOG_EVERY_STEPS = 20
_MOST_SKIPS = 50
M = TypeVar("M", bound=nn.Module)


class TrainingError(RuntimeError):
    """The run cannot go on; the message says what to change."""


@dataclass(slots=True, kw_only=True)
class _Tally:
    """Sums since the last log line."""

    loss: float = 0.0
    weight: float = 0.0
    tokens: int = 0
    hits: int = 0
    first_rows: int = 0
    steps: int = 0
    seconds: dict[str, float]


class _Clock:
    """Books the time since its last call."""

    def __init__(self, tally: _Tally) -> None:
        self.tally, self.since = tally, time.perf_counter()

    def __call__(self, name: str) -> None:
        now = time.perf_counter()
        self.tally.seconds[name] = self.tally.seconds.get(name, 0.0) + now - self.since
        self.since = now


class Trainer(Generic[M]):
    """Trains one set of weights; `run` goes on from the last checkpoint of the folder."""

    def __init__(
        self,
        *,
        settings: LoopSettings,
        learner: Learner[M],
        files: RunFiles,
        processes: Processes,
    ) -> None:
        self.settings, self.learner = settings, learner
        self.files, self.processes = files, processes
        self.state = RunState()
        self.weights = learner.new()
        self.parameters = list(self.weights.parameters())
        self.optimizer = learner.optimizer(self.weights)
        self.average = _copy(self.weights)
        self.tally = _Tally(seconds={})
        self.until: float | None = None
        self.interrupted = False
        self._resume()

    def run(self, until: float | None = None) -> None:
        """Train to the last step, or to the wall-clock time `until` (seconds since the epoch).

        Raises:
            TrainingError: losses are not finite again and again.
        """
        saved = evaluated = time.monotonic()
        progress = tqdm(
            total=self.settings.steps, initial=self.state.step, unit="step", smoothing=0.05,
            disable=not self.processes.leads,
        )  # fmt: skip
        self.until = until
        while self._goes_on():
            self.step()
            progress.update()
            now = time.monotonic()
            if self.state.step % _LOG_EVERY_STEPS == 0:
                progress.set_postfix(self._log_steps())
            if now - saved > self.settings.checkpoint_every_s:
                self.save()
                saved = now
            if now - evaluated > self.settings.evaluate_every_s:
                self.evaluate()
                evaluated = time.monotonic()
        progress.close()
        self.save()
        if not self.interrupted:
            self.evaluate()

    def stop(self) -> None:
        """Let `run` save and return after the step that it is in."""
        self.interrupted = True

    def _goes_on(self) -> bool:
        late = self.until is not None and time.time() >= self.until
        return not (self.interrupted or late) and self.state.step < self.settings.steps

    def step(self) -> float:
        """One optimizer step over `contexts_per_step` contexts of every process; the mean loss."""
        started = time.perf_counter()
        sums = self.gradients()
        norm = float(torch.nn.utils.clip_grad_norm_(self.parameters, math.inf))
        loss = float(sums[0] / sums[1]) if float(sums[1]) else math.nan
        clock = _Clock(self.tally)
        if self._is_healthy(loss, norm):
            self._apply(norm)
        self.optimizer.zero_grad(set_to_none=True)
        clock("optimizer")
        self.state.step += 1
        self.state.tokens += int(sums[2])
        self.state.seconds += time.perf_counter() - started
        self.tally.steps += 1
        self.tally.loss += float(sums[0])
        self.tally.weight += float(sums[1])
        self.tally.tokens += int(sums[2])
        self.tally.hits += int(sums[3])
        self.tally.first_rows += int(sums[4])
        return loss

    def gradients(self) -> Tensor:
        """Fill `.grad` with the gradient of the weighted mean loss over all processes.

        Returns:
            float64 `[5]`: loss, weight, rows, right first rows, first rows.
        """
        sums = torch.zeros(5, dtype=torch.float64)
        for index in range(self.settings.contexts_per_step):
            clock = _Clock(self.tally)
            place = index * self.processes.count + self.processes.rank
            part = self.learner.loss(self.weights, self.state.step, place, clock)
            part.total.backward()  # type: ignore[no-untyped-call]
            clock("backward")
            counts = (part.weight, part.tokens, part.first_hits, part.first_rows)
            sums += torch.tensor([float(part.total.detach()), *counts])
        for parameter in self.parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        gradients = [p.grad for p in self.parameters if p.grad is not None]
        self.processes.add_up([*gradients])
        self.processes.add_up([sums])
        for gradient in gradients:
            gradient.div_(max(float(sums[1]), 1e-6))
        return sums

    def save(self) -> None:
        """Write a checkpoint (leading process only)."""
        if self.processes.leads:
            save_checkpoint(
                self.files.checkpoint,
                run=self.state,
                weights=self.weights.state_dict(),
                average=self.average,
                optimizer=self.optimizer.state_dict(),
                settings=asdict(self.settings),
            )

    def evaluate(self) -> Report | None:
        """Evaluate the averaged weights, log, draw the curves, export if they are the best yet."""
        if not self.processes.leads:
            return None
        clock = _Clock(self.tally)
        averaged = self.averaged()
        result = self.learner.evaluate(averaged)
        clock("evaluation")
        self._log({"kind": "evaluation", **result.as_json()})
        draw_curves(self.files.log, self.files.curves)
        # Half a per cent of tolerance: the set is small and later weights have seen more.
        if result.score >= self.state.best_score * 0.995:
            self.state.best_score = max(result.score, self.state.best_score)
            self.export(averaged)
        return result

    def export(self, weights: M | None = None) -> None:
        """Write the averaged weights in the engine's format."""
        self.learner.export(weights or self.averaged(), self.state.tokens)

    def averaged(self) -> M:
        """The running mean of the weights."""
        weights = self.learner.new()
        weights.load_state_dict(self.average)
        return weights.requires_grad_(requires_grad=False)

    def _resume(self) -> None:
        path = self.files.checkpoint
        if not path.is_file():
            self.state.tokens = self.learner.begin(self.weights)
            self.average = _copy(self.weights)
            return
        content = load_checkpoint(path)
        for name, ours in self.learner.shape.items():
            theirs = content["settings"].get(name)
            if theirs != ours:
                raise CheckpointError(
                    f"{path} has {name} {theirs}; the settings say {ours}: use another --run folder"
                )
        self.weights.load_state_dict(content["weights"])
        self.average = content["average"]
        self.optimizer.load_state_dict(content["optimizer"])
        torch.set_rng_state(content["torch_rng"])
        self.state = content["run"]
        _LOG.info("resumed at step %d (%d tokens)", self.state.step, self.state.tokens)

    def rate(self) -> float:
        """Learning rate of the coming step: warm-up, constant, linear fall.

        The end is the last step, or the moment that `run` was given: then the rate follows the
        clock, because nobody knows how many steps a shared machine will make.
        """
        settings, step = self.settings, self.state.step
        left, whole = float(settings.steps - step), float(settings.steps)
        if self.until is not None:
            left = self.until - time.time()
            whole = left + self.state.seconds
        factor = min(1.0, (step + 1) / max(settings.warmup_steps, 1))
        fall = left / max(settings.decay_share * whole, 1e-6)
        return settings.learning_rate * factor * (0.05 + 0.95 * min(1.0, max(0.0, fall)))

    def _is_healthy(self, loss: float, norm: float) -> bool:
        state = self.state
        usual = state.gradient_mean or norm
        fine = math.isfinite(loss) and math.isfinite(norm)
        if fine and norm <= usual * self.settings.spike_factor:
            state.gradient_mean = 0.98 * usual + 0.02 * norm
            state.skipped = 0
            return True
        if fine:
            # Let the mean follow, so that a lasting change does not stop the run.
            state.gradient_mean = usual * 1.1
        state.skipped += 1
        self._log({"kind": "skipped", "loss": str(loss), "norm": str(norm)})
        if state.skipped > _MOST_SKIPS:
            raise TrainingError(
                f"{state.skipped} steps in a row had a loss or gradient that cannot be used: lower "
                f"learning_rate and start again from {self.files.checkpoint}"
            )
        return False

    def _apply(self, norm: float) -> None:
        scale = min(1.0, self.settings.clip / (norm + 1e-6))
        for parameter in self.parameters:
            if parameter.grad is not None:
                parameter.grad.mul_(scale)
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate() * group.get("rate_share", 1.0)
        self.optimizer.step()
        keep = min(self.settings.average, (self.state.step + 1) / (self.state.step + 10))
        with torch.no_grad():
            for name, value in self.weights.state_dict().items():
                self.average[name].lerp_(value, 1 - keep)

    def _log_steps(self) -> dict[str, str]:
        tally, state = self.tally, self.state
        spent = sum(tally.seconds.values())
        line = {
            "kind": "steps",
            "loss": round(tally.loss / max(tally.weight, 1e-6), 4),
            "first": round(tally.hits / max(tally.first_rows, 1), 4),
            "tokens_per_s": round(tally.tokens / max(spent, 1e-6), 1),
            "seconds_per_step": round(spent / max(tally.steps, 1), 3),
            "share": {name: round(part / spent, 3) for name, part in tally.seconds.items()},
            "gradient": round(state.gradient_mean, 4),
            "rate": self.rate(),
        }
        self.tally = _Tally(seconds={})
        self._log(line)
        return {key: str(line[key]) for key in ("loss", "first", "tokens_per_s")}

    def _log(self, line: dict[str, object]) -> None:
        if not self.processes.leads:
            return
        state = self.state
        head = {
            "step": state.step,
            "tokens": state.tokens,
            "hours": round(state.seconds / 3600, 4),
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        }
        self.files.log.parent.mkdir(parents=True, exist_ok=True)
        with self.files.log.open("a", encoding="utf-8") as file:
            file.write(json.dumps({**head, **line}) + "\n")


def _copy(weights: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in weights.state_dict().items()}
