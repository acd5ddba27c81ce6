"""What Neovim and its plugin add: from a key to ghost text on the screen, beside the engine's time.

    python bench/editor_neovim.py                 # real engine
    python bench/editor_neovim.py --keys 200

At places spread over a real file one key is typed in real Neovim, with the real server and engine.
Counted are the keys after which the engine's suggestion was drawn; the engine's time is its own,
from the server's statistics. One JSON line at the end, times in milliseconds:

key_to_screen  from the key to the end of the redraw that has the ghost text
engine         the engine's part of it
round_trip     from the client's request to its answer: server and engine
client_added   key_to_screen without round_trip: what the plugin and Neovim add
all_added      key_to_screen without engine: what everything but the engine adds
"""

from __future__ import annotations

import argparse
import importlib.util
import inspect
import json
import os
import statistics
import sys
import tempfile
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine_process import own_engine

from midspan_engine import weights

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_ROOT = Path(__file__).resolve().parents[1]
_WARM_UP = 3
_SHORTEST = 12

_WATCH = """
local now = function() return vim.uv.hrtime() / 1e6 end
local ghost, suggestions = require('midspan.ghost_text'), require('midspan.suggestions')
_G.bench = { samples = {}, answered = 0 }
local current = {}
vim.on_key(function(_, typed)
  if typed and typed ~= '' then current = { key = now() } end
end)
local client = vim.lsp.get_clients({ name = 'midspan' })[1]
local request = client.request
client.request = function(self, method, params, handler, bufnr)
  if method ~= 'textDocument/inlineCompletion' then
    return request(self, method, params, handler, bufnr)
  end
  local sample = current
  sample.sent = now()
  return request(self, method, params, function(...)
    sample.answered = now()
    handler(...)
    _G.bench.answered = _G.bench.answered + 1
  end, bufnr)
end
local show = ghost.show
ghost.show = function(shown)
  show(shown)
  current.drawn = current.answered ~= nil
end
vim.api.nvim_set_decoration_provider(vim.api.nvim_create_namespace('bench'), {
  on_end = function()
    local shown = suggestions.shown()
    if current.drawn and not current.screen and shown then
      current.screen, current.id = now(), shown.items[1].id
      table.insert(_G.bench.samples, current)
    end
  end,
})
"""

_STATISTICS = """
local client = vim.lsp.get_clients({ name = 'midspan' })[1]
return client:request_sync('midspan/statistics', { id = ... }, 10000).result
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--keys", type=int, default=80, help="how many keys to type")
    parser.add_argument("--model", default=weights.DEFAULT_MODEL)
    parser.add_argument("--runtime", default="auto")
    args = parser.parse_args(arguments)
    with (
        own_engine(args.model, args.runtime) as engine,
        tempfile.TemporaryDirectory(prefix="nv-") as name,
    ):
        samples = _measured(engine.socket, Path(name), args.keys)
    if not samples:
        print("editor_neovim: no suggestion was drawn", file=sys.stderr)
        return 1
    print(json.dumps({"bench": "editor_neovim", "samples": len(samples)} | _figures(samples)))
    return 0


def _measured(socket: Path, folder: Path, keys: int) -> list[dict[str, float]]:
    driver = _driver()
    editor = driver.Neovim(_environment(socket, folder), _init(driver.PLUGIN, folder))
    try:
        editor.patience_s = 120
        editor.open(folder / "textwrap.py", inspect.getsource(textwrap))
        editor.call("nvim_ui_attach", 100, 40, {"ext_linegrid": True})
        ready = "return require('midspan').statusline() == 'Midspan'"
        editor.until_lua(ready)
        editor.lua(_WATCH)
        for place in _places(keys + _WARM_UP):
            _press(editor, *place)
        return _with_engine(editor)[_WARM_UP:]
    finally:
        editor.quit()


def _places(count: int) -> Iterator[tuple[int, str, str]]:
    """Yield row, text before a key in its line, and the key, spread over the file's statements."""
    rows = [
        (row, line)
        for row, line in enumerate(inspect.getsource(textwrap).splitlines())
        if line.startswith("        ") and len(line.strip()) > _SHORTEST and "=" in line
    ]
    for number in range(count):
        row, line = rows[number % len(rows)]
        indent = len(line) - len(line.lstrip())
        column = indent + 1 + (7 * number) % (len(line) - indent - 2)
        yield row, line[:column], line[column]


def _press(editor: Any, row: int, before: str, key: str) -> None:
    """Type one key behind `before` and wait for the answer to it; then put the line back."""
    line = editor.lines[row]
    editor.call("nvim_buf_set_lines", 0, row, row + 1, True, [before])
    editor.call("nvim_win_set_cursor", 0, [row + 1, 0])
    editor.type("A")
    editor.settled()
    answered = editor.lua("return _G.bench.answered")
    editor.type(key.replace("<", "<lt>"))
    editor.until_lua("return _G.bench.answered > ...", answered)
    editor.settled()
    editor.notifications.clear()
    editor.type("<Esc>")
    editor.settled()
    editor.call("nvim_buf_set_lines", 0, row, row + 1, True, [line])


def _with_engine(editor: Any) -> list[dict[str, float]]:
    found, known = [], set()
    for sample in editor.lua("return _G.bench.samples"):
        # Seen before: it came from the server's cache.
        if sample["id"] in known:
            continue
        known.add(sample["id"])
        figures = editor.lua(_STATISTICS, sample["id"])
        found.append(
            {
                "key_to_screen": sample["screen"] - sample["key"],
                "round_trip": sample["answered"] - sample["sent"],
                "engine": figures["total_ms"],
            }
        )
    return found


def _figures(samples: list[dict[str, float]]) -> dict[str, dict[str, float]]:
    columns = {name: [one[name] for one in samples] for name in samples[0]}
    whole = columns["key_to_screen"]
    columns["client_added"] = [
        all_ - trip for all_, trip in zip(whole, columns["round_trip"], strict=True)
    ]
    columns["all_added"] = [all_ - own for all_, own in zip(whole, columns["engine"], strict=True)]
    return {f"{name}_ms": _spread(values) for name, values in columns.items()}


def _spread(values: list[float]) -> dict[str, float]:
    ninth = statistics.quantiles(values, n=10)[-1] if len(values) > 1 else values[0]
    return {"p50": round(statistics.median(values), 1), "p90": round(ninth, 1)}


def _environment(socket: Path, folder: Path) -> dict[str, str]:
    places = ("CONFIG", "DATA", "STATE", "CACHE")
    return {
        "PATH": os.environ["PATH"],
        "LANG": "C.UTF-8",
        "HOME": str(folder),
        "XDG_RUNTIME_DIR": str(folder),
        "MIDSPAN_SOCKET": str(socket),
        "MIDSPAN_STATE": str(folder / "state"),
    } | {f"XDG_{name}_HOME": str(folder / name.lower()) for name in places}


def _init(plugin: Path, folder: Path) -> Path:
    settings = {
        "cmd": [sys.executable, "-m", "midspan_server", "lsp"],
        "server": {"threshold": 0.0, "engine": {"autostart": False}},
        # Only the key asks, not the way to its place.
        "ghost_text": {"on_insert_enter": False, "moved_debounce_ms": 1_000_000},
    }
    init = folder / "init.lua"
    init.write_text(
        f"vim.opt.runtimepath:prepend({json.dumps(str(plugin))})\n"
        f"require('midspan').setup(vim.json.decode([==[{json.dumps(settings)}]==]))\n"
        # Nothing but the plugin: no colours to compute, no indenting of the typed lines.
        "vim.cmd('filetype indent off | syntax off')\n"
        "vim.api.nvim_create_autocmd('FileType', { callback = function()\n"
        "  pcall(vim.treesitter.stop)\nend })\n",
        encoding="utf-8",
    )
    return init


def _driver() -> Any:
    """Load the tests' driver by its path: tests are no package."""
    path = _ROOT / "tests" / "end_to_end" / "neovim" / "neovim_driver.py"
    spec = importlib.util.spec_from_file_location("neovim_driver", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["neovim_driver"] = module
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    sys.exit(main())
