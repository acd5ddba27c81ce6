"""Which files are never read: secrets, and what .gitignore and .midspanignore name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pathspec

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# Files that hold credentials by convention, whatever the ignore files say. Patterns as in a
# .gitignore; case does not matter. Examples of secrets (`.env.example`) are secrets often enough.
SECRETS = (
    ".env",
    ".env.*",
    "*.env",
    ".envrc",
    "*.pem",
    "*.key",
    "*.p12",
    "*.pfx",
    "*.jks",
    "*.keystore",
    "*.kdbx",
    "*.asc",
    "*.gpg",
    "*.ppk",
    "id_rsa*",
    "id_dsa*",
    "id_ecdsa*",
    "id_ed25519*",
    ".ssh/",
    ".gnupg/",
    ".aws/credentials",
    ".aws/config",
    ".docker/config.json",
    ".kube/",
    "kubeconfig",
    "*.kubeconfig",
    "credentials",
    "credentials.*",
    "*.credentials",
    "client_secret*.json",
    "service-account*.json",
    "service_account*.json",
    "secrets.*",
    "secret.*",
    "*.secret",
    "*.secrets",
    ".git-credentials",
    ".netrc",
    "_netrc",
    ".npmrc",
    ".pypirc",
    ".pgpass",
    ".my.cnf",
    ".htpasswd",
    "*.tfvars",
    "*.tfstate",
    "*.tfstate.*",
    ".vault-token",
    "wallet.dat",
)
IGNORE_FILES = (".gitignore", ".midspanignore")
# A pattern without a slash names files only: a package called `credentials` is code.
_secret_names = pathspec.GitIgnoreSpec.from_lines(one for one in SECRETS if "/" not in one)
_secret_places = pathspec.GitIgnoreSpec.from_lines(
    f"**/{one}" if "/" in one.rstrip("/") else one for one in SECRETS if "/" in one
)


@dataclass(frozen=True, slots=True)
class _IgnoreFile:
    """One ignore file as it was when it had this stamp; `spec` is None where there is none."""

    stamp: tuple[int, int] | None
    spec: pathspec.GitIgnoreSpec | None


class IgnoreRules:
    """Answers for a workspace; ignore files are read again when they change.

    Args:
        workspace_folders: Roots; ignore files above them are not looked for.
        extra_globs: More patterns, as in a .gitignore, relative to each root.
    """

    def __init__(self, workspace_folders: Sequence[Path], extra_globs: Sequence[str] = ()) -> None:
        self._roots = tuple(Path(root).resolve() for root in workspace_folders)
        self._extra = pathspec.GitIgnoreSpec.from_lines(extra_globs)
        self._files: dict[Path, _IgnoreFile] = {}

    def forbids(self, path: Path) -> bool:
        """Whether a file may be neither read into a context nor completed.

        A file outside all roots has only the rules for secrets and the extra patterns. A link is
        judged by its own name and by what it points to.
        """
        own = Path(path).absolute()
        names = {own, own.resolve()}
        return any(self._forbids_name(name) for name in names)

    def _forbids_name(self, path: Path) -> bool:
        if _is_secret(path):
            return True
        root = self._root_of(path)
        within = _relative(path, root if root is not None else path.anchor)
        if self._extra.match_file(within):
            return True
        return root is not None and self._is_ignored(root, within)

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


def _is_secret(path: Path) -> bool:
    if _secret_names.match_file(path.name.lower()):
        return True
    return _secret_places.match_file(_relative(path, path.anchor).lower())


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
    return pathspec.GitIgnoreSpec.from_lines(lines)
