"""People who type, as locust users, against a running `midspan serve`.

    midspan serve &
    locust -f bench/locust_typists.py --headless -u 8 -r 8 -t 60s --host http://127.0.0.1:8078

Each types at places of the standard library and asks after every key, by one of the interfaces that
editors use. An answer of 429 with Retry-After is the server's way to say "later" and no failure.
"""

from __future__ import annotations

import random

from locust import FastHttpUser, between, task
from places import places

_PLACES = places(20)
_KEYS = 6
_BUSY = 429


class Typist(FastHttpUser):
    """Asks after every key; the next place after a few of them."""

    wait_time = between(0.05, 0.3)

    def on_start(self) -> None:
        """Sit down somewhere."""
        self._name = f"typist-{random.random()}"
        self._place, self._typed = random.choice(_PLACES), 0

    @task(3)
    def completions(self) -> None:
        """OpenAI's legacy interface."""
        body = {"prompt": self._before(), "suffix": self._place.after, "user": self._name}
        self._ask("/v1/completions", body | {"max_tokens": 16}, "choices")

    @task
    def streamed(self) -> None:
        """The same as a stream."""
        body = {"prompt": self._before(), "suffix": self._place.after, "user": self._name}
        with self.client.post(
            "/v1/completions",
            json=body | {"max_tokens": 16, "stream": True},
            name="/v1/completions (stream)",
            catch_response=True,
        ) as answer:
            if answer.status_code == _BUSY and answer.headers.get("Retry-After"):
                answer.success()
            elif not (answer.text or "").rstrip().endswith("data: [DONE]"):
                answer.failure(f"{answer.status_code}, and the stream does not end as it should")

    @task
    def fim(self) -> None:
        """Mercury's interface."""
        body = {"prompt": self._before(), "suffix": self._place.after, "max_tokens": 16}
        self._ask("/v1/fim/completions", body, "choices")

    @task
    def infill(self) -> None:
        """llama.cpp's interface, as llama.vim uses it."""
        body = {"input_prefix": self._before(), "input_suffix": self._place.after, "prompt": ""}
        self._ask("/infill", body | {"n_predict": 16}, "content")

    def _before(self) -> str:
        if self._typed == _KEYS:
            self._place, self._typed = random.choice(_PLACES), 0
        self._typed += 1
        return self._place.before + self._place.typed[: self._typed]

    def _ask(self, path: str, body: dict[str, object], expected: str) -> None:
        with self.client.post(path, json=body, catch_response=True) as answer:
            if answer.status_code == _BUSY and answer.headers.get("Retry-After"):
                answer.success()
            elif answer.status_code != 200 or expected not in answer.json():
                answer.failure(f"{answer.status_code}: {(answer.text or '')[:200]}")
