"""Files that hold credentials by convention, whatever the ignore files say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pathspec
from pygls.uris import urlparse

if TYPE_CHECKING:
    from collections.abc import Iterator

# Patterns as in a .gitignore; case does not matter. Examples of secrets (`.env.example`) are
# secrets often enough.
SECRETS = (
    ".env*",
    "*.env",
    "*.env.*",
    "*.pem",
    "*.pem.*",
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
    ".azure/",
    ".config/gcloud/",
    ".config/gh/",
    ".docker/config.json",
    ".dockercfg",
    # Remotes with a token in their address, and what was stashed.
    ".git/",
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
    ".yarnrc.yml",
    ".pypirc",
    ".pgpass",
    ".my.cnf",
    ".htpasswd",
    "*.tfvars",
    "*.tfvars.json",
    "*.tfstate",
    "*.tfstate.*",
    ".vault-token",
    "wallet.dat",
)
# What editors and merge tools append to the name of a copy; `.git` is VS Code's, for old versions.
_COPY_SUFFIXES = ("~", ".bak", ".orig", ".swp", ".git")
# A pattern without a slash names files only: a package called `credentials` is code.
_names = pathspec.GitIgnoreSpec.from_lines(one for one in SECRETS if "/" not in one)
_places = pathspec.GitIgnoreSpec.from_lines(
    f"**/{one}" if "/" in one.rstrip("/") else one for one in SECRETS if "/" in one
)


def is_secret(path: str) -> bool:
    """Whether a file holds secrets by its name or by its folder.

    Args:
        path: With slashes; from the root of its file system, as far as that is known.
    """
    folder, _, name = path.lower().strip("/").rpartition("/")
    return any(
        _names.match_file(original) or _places.match_file(f"{folder}/{original}".strip("/"))
        for original in _originals(name)
    )


def is_secret_uri(uri: str) -> bool:
    """Whether a document that is no file on this machine holds secrets by its name."""
    _, authority, path, *_ = urlparse(uri)
    return is_secret((path or authority).replace("\\", "/"))


def _originals(name: str) -> Iterator[str]:
    """Yield the name, and the names of which it may be a copy."""
    yield name
    while name.endswith(_COPY_SUFFIXES):
        suffix = next(one for one in _COPY_SUFFIXES if name.endswith(one))
        name = name.removesuffix(suffix)
        yield name
        if suffix == ".swp":
            # Vim's swap file of `a` is `.a.swp`.
            yield name.removeprefix(".")
