"""What can go wrong between a model's name and its files.

MidspanError
└── WeightsError
    ├── WeightsMissing     not here yet; the message says which command fetches them
    ├── WeightsUnusable    here, but unreadable, damaged, or of a family we do not run
    ├── DownloadFailed     a source could not deliver
    ├── ChecksumMismatch   a source delivered something else
    └── DiskFull           no room, or no room left
"""

from __future__ import annotations

import errno
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

from midspan_engine.protocol import MidspanError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_SPARE_BYTES = 64_000_000
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})


class WeightsError(MidspanError):
    """Base of everything that fails about weights."""


class WeightsMissing(WeightsError):  # noqa: N818  reads better than WeightsMissingError
    """The model is not on this machine; the message names the command that fetches it."""


class WeightsUnusable(WeightsError):  # noqa: N818
    """The files are there, but cannot be read or do not hold a model that we run."""


class DownloadFailed(WeightsError):  # noqa: N818
    """A source of weights did not deliver; another one may."""


class ChecksumMismatch(WeightsError):  # noqa: N818
    """A source delivered other bytes than the pinned ones."""


class DiskFull(WeightsError):  # noqa: N818
    """The cache folder has no room for what has to be written."""


def require_space(folder: Path, needed_bytes: int) -> None:
    """Check that `needed_bytes` fit into the file system of `folder`, before time is spent.

    Raises:
        DiskFull: they do not fit.
    """
    free = shutil.disk_usage(folder).free
    if free < needed_bytes + _SPARE_BYTES:
        raise DiskFull(
            f"{folder} has {free / 1e6:,.0f} MB free and {needed_bytes / 1e6:,.0f} MB are needed. "
            "Make room, or choose another folder with MIDSPAN_CACHE."
        )


@contextmanager
def explained_os_errors(folder: Path) -> Iterator[None]:
    """Turn the operating system's refusals while writing below `folder` into our errors.

    Raises:
        DiskFull: the disk or the quota ran out on the way.
        WeightsUnusable: a file cannot be read or written; the message says which and why.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _NO_ROOM:
            where = error.filename or folder
            raise WeightsUnusable(f"{where}: {error.strerror or error}") from error
        raise DiskFull(
            f"the disk of {folder} is full. What was fetched so far is kept; make room and run "
            "the same command again, or choose another folder with MIDSPAN_CACHE."
        ) from error
