--- Finding the server: the program `midspan`.
local config = require('midspan.config')

local M = {}

M.INSTALL = "pip install 'midspan[engine]'"

---@class midspan.Program
---@field command string[]
---@field from string Where it was found, for people.

--- The root of the checkout that this plugin is part of.
---@return string
local function checkout()
  local here = debug.getinfo(1, 'S').source:sub(2)
  return vim.fn.fnamemodify(here, ':p:h:h:h:h:h')
end

---@param folder string
---@return string?
local function in_environment(folder)
  for _, place in ipairs({ '/bin/midspan', '/Scripts/midspan.exe' }) do
    if vim.fn.executable(folder .. place) == 1 then
      return folder .. place
    end
  end
end

--- Look in: the setting `cmd`, $VIRTUAL_ENV, the PATH, the checkout's own `.venv`. Never in a
--- project's folder: opening somebody's repository must not run a program out of it.
---@return midspan.Program?
function M.find()
  local chosen = config.get().cmd
  if chosen then
    return { command = chosen, from = 'the setting `cmd`' }
  end
  local active = vim.env.VIRTUAL_ENV and in_environment(vim.env.VIRTUAL_ENV)
  if active then
    return { command = { active, 'lsp' }, from = '$VIRTUAL_ENV' }
  end
  local on_path = vim.fn.exepath('midspan')
  if on_path ~= '' then
    return { command = { on_path, 'lsp' }, from = 'the PATH' }
  end
  local own = in_environment(checkout() .. '/.venv')
  return own and { command = { own, 'lsp' }, from = 'the .venv of its repository' } or nil
end

---@return boolean
function M.is_runnable()
  local found = M.find()
  return found ~= nil and vim.fn.executable(found.command[1]) == 1
end

--- What to tell a user whose server is not there.
---@return string
function M.missing()
  local chosen = config.get().cmd
  if chosen then
    return ('Midspan: the setting `cmd` names %s, which cannot be run.'):format(chosen[1])
  end
  return 'Midspan: the program `midspan` is not installed. Run: '
    .. M.INSTALL
    .. ' (or set `cmd`; `:checkhealth midspan` says more).'
end

return M
