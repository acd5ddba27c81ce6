"""Which files are never read: secrets, and what .gitignore and .midspanignore name."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from midspan_server.patterns import compiled
from midspan_server.secret_names import is_secret

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pathspec

_log = logging.getLogger(__name__)

IGNORE_FILES = (".gitignore", ".midspanignore")


@dataclass(frozen=True, slots=True)
class _IgnoreFile:
    """One ignore file as it was when it had this stamp; `spec` is None where there is none."""

    stamp: tuple[int, int] | None
    spec: pathspec.GitIgnoreSpec | None


class IgnoreRules:
    """Answers for a workspace; ignore files are read again when they change.

    Ignore files count from the top of the git repository that a root lies in, and from the root
    where there is none. A file outside all roots has those of its own repository.

    Args:
        workspace_folders: Roots.
        extra_globs: More patterns, as in a .gitignore, relative to each root.
    """

    def __init__(self, workspace_folders: Sequence[Path], extra_globs: Sequence[str] = ()) -> None:
        self._roots = tuple(_resolved(root) for root in workspace_folders)
        self._extra = compiled(extra_globs, "midspan.exclude")
        self._files: dict[Path, _IgnoreFile] = {}

    def forbids(self, path: Path) -> bool:
        """Whether a file may be neither read into a context nor completed.

        A link is judged by its own name and by what it points to. What cannot be looked up, such
        as links in a circle, is forbidden.
        """
        try:
            own = Path(path).absolute()
            names = {own, own.resolve()}
            return any(self._forbids_name(name) for name in names)
        except (OSError, RuntimeError, ValueError) as error:
            _log.info("a file that cannot be looked up is not read: %s", type(error).__name__)
            return True

    def _forbids_name(self, path: Path) -> bool:
        if is_secret(path.as_posix()):
            return True
        root = self._root_of(path)
        if self._extra.match_file(_relative(path, root if root is not None else path.anchor)):
            return True
        top = _repository(root if root is not None else path.parent) or root
        return top is not None and self._is_ignored(top, _relative(path, top))

    def _root_of(self, path: Path) -> Path | None:
        """The innermost root that holds `path`."""
        holding = [root for root in self._roots if path.is_relative_to(root)]
        return max(holding, key=lambda root: len(root.parts), default=None)

    def _is_ignored(self, root: Path, within: str) -> bool:
        """Ask from the root downwards, as git does: an ignored folder hides all below it."""
        parts = within.split("/")
        for depth in range(1, len(parts) + 1):
            is_folder = depth < len(parts)
            if self._is_named(root, parts[:depth], is_folder=is_folder):
                return True
        return False

    def _is_named(self, root: Path, parts: list[str], *, is_folder: bool) -> bool:
        """The last rule that speaks of this path decides; deeper files speak after higher ones."""
        ignored = False
        for name in IGNORE_FILES:
            for depth, spec in self._specs(root, parts[:-1], name):
                relative = "/".join(parts[depth:]) + ("/" if is_folder else "")
                verdict = spec.check_file(relative).include
                if verdict is not None:
                    ignored = verdict
        return ignored

    def _specs(
        self, root: Path, folders: list[str], name: str
    ) -> Iterator[tuple[int, pathspec.GitIgnoreSpec]]:
        folder = root
        for depth in range(len(folders) + 1):
            spec = self._spec(folder / name)
            if spec is not None:
                yield depth, spec
            if depth < len(folders):
                folder = folder / folders[depth]

    def _spec(self, file: Path) -> pathspec.GitIgnoreSpec | None:
        stamp = _stamp(file)
        known = self._files.get(file)
        if known is None or known.stamp != stamp:
            known = _IgnoreFile(stamp, None if stamp is None else _read(file))
            self._files[file] = known
        return known.spec


def _resolved(root: Path) -> Path:
    try:
        return Path(root).resolve()
    except (OSError, RuntimeError):
        return Path(root).absolute()


def _repository(folder: Path) -> Path | None:
    """The folder itself or the nearest above that holds `.git`, a folder or a worktree's file."""
    return next((one for one in (folder, *folder.parents) if _stamp(one / ".git")), None)


def _relative(path: Path, root: Path | str) -> str:
    return path.relative_to(root).as_posix()


def _stamp(file: Path) -> tuple[int, int] | None:
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size


def _read(file: Path) -> pathspec.GitIgnoreSpec | None:
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    return compiled(lines, str(file))
