#!/usr/bin/env bash
# The end-to-end tests in real VS Code: `e2e/run.sh`, or `e2e/run.sh measure.ts` for the times.
#
# MIDSPAN               the program under test (default: .venv/bin/midspan of the repository)
# MIDSPAN_VSCODE_TOOLS  where VS Code is installed once (default: .vscode-e2e beside package.json)
# CHROMIUM              the browser (default: chromium on the PATH)
set -euo pipefail
cd "$(dirname "$0")/.."

# Not `npm ci`: it refuses the lock file where the registry lacks a linter for some other system.
[ node_modules/.package-lock.json -nt package-lock.json ] || npm install --no-save --no-audit --no-fund
# code-server installs and runs with the major version of Node that it was built for: ours.
export PATH="$PWD/node_modules/.bin:$PATH"

export MIDSPAN_VSCODE_TOOLS="${MIDSPAN_VSCODE_TOOLS:-$PWD/.vscode-e2e}"
if ! cmp -s e2e/package-lock.json "$MIDSPAN_VSCODE_TOOLS/installed.json"; then
    mkdir -p "$MIDSPAN_VSCODE_TOOLS"
    cp e2e/package.json e2e/package-lock.json "$MIDSPAN_VSCODE_TOOLS/"
    (cd "$MIDSPAN_VSCODE_TOOLS" && npm install --no-save --no-audit --no-fund)
    cp e2e/package-lock.json "$MIDSPAN_VSCODE_TOOLS/installed.json"
fi

npm run --silent package >&2
if [ $# -gt 0 ]; then
    script=$1
    shift
    exec node "e2e/$script" "$@"
fi
exec node --test --test-concurrency=1 --test-timeout=300000 e2e/*.test.ts
