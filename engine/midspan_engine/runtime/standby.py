"""A runtime that is loaded when somebody first needs it, while another one serves."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from midspan_engine.runtime.rows import Runtime

_logger = logging.getLogger(__name__)


class Standby:
    """Loads on a thread of its own; what is loaded stays.

    Args:
        load: Makes the runtime. What it raises is logged, and `failure` says it from then on.
        what: Named in the log and in `failure`.
    """

    def __init__(self, load: Callable[[], Runtime], what: str) -> None:
        self.runtime: Runtime | None = None
        self.failure = ""
        self.on_end: Callable[[], None] | None = None
        """Called on the loading thread once `runtime` or `failure` is there."""
        self._load = load
        self._what = what
        self._thread: threading.Thread | None = None

    @property
    def is_over(self) -> bool:
        """Whether loading has ended, well or not."""
        return self.runtime is not None or bool(self.failure)

    def begin(self) -> None:
        """Start loading; once is enough."""
        if self._thread is None:
            _logger.info("loading %s", self._what)
            self._thread = threading.Thread(target=self._run, name="standby", daemon=True)
            self._thread.start()

    def wait(self) -> None:
        """Load, and return when that has ended."""
        self.begin()
        assert self._thread is not None
        self._thread.join()

    def _run(self) -> None:
        try:
            self.runtime = self._load()
        except BaseException as error:  # whatever it was, whoever waits must hear of it
            _logger.exception("%s could not be loaded", self._what)
            self.failure = f"{self._what} could not be loaded: {str(error) or type(error).__name__}"
        else:
            _logger.info("loaded %s", self._what)
        if self.on_end:
            self.on_end()
