--- How Neovim starts the server and what happens when it ends.
local client = require('midspan.client')
local config = require('midspan.config')
local program = require('midspan.program')
local status = require('midspan.status')

local M = {}

local ROOT_MARKERS =
  { '.git', '.hg', '.jj', 'pyproject.toml', 'package.json', 'Cargo.toml', 'go.mod' }
local MOST_RESTARTS = 5
local CALM_S = 60

local restarts = 0
local restarted_at = 0
local has_told_missing = false
local is_leaving = false

vim.api.nvim_create_autocmd('VimLeavePre', {
  callback = function()
    is_leaving = true
  end,
})

---@param dispatchers vim.lsp.rpc.Dispatchers
---@return vim.lsp.rpc.PublicClient
local function start(dispatchers)
  local found = assert(program.find(), program.missing())
  return vim.lsp.rpc.start(found.command, dispatchers)
end

---@param bufnr integer
---@param on_dir fun(root_dir?: string)
local function root_of(bufnr, on_dir)
  -- What Neovim begins with turns into the first file, in another folder perhaps: a server for it
  -- would be a second one for the same buffer.
  if vim.api.nvim_buf_get_name(bufnr) == '' and vim.bo[bufnr].filetype == '' then
    return
  end
  if not program.is_runnable() then
    if not has_told_missing then
      has_told_missing = true
      status.failed(program.missing())
      vim.notify(program.missing(), vim.log.levels.WARN)
    end
    return
  end
  on_dir(vim.fs.root(bufnr, ROOT_MARKERS))
end

--- Start again after a crash, later each time, and tell the user once.
---@param code integer
---@param signal integer
local function ended(code, signal)
  status.stopped()
  if is_leaving or not vim.lsp.is_enabled(client.NAME) or (code == 0 and signal == 0) then
    return
  end
  local now = vim.uv.now() / 1000
  if now - restarted_at > CALM_S then
    restarts = 0
  end
  restarts, restarted_at = restarts + 1, now
  if restarts > MOST_RESTARTS then
    status.failed('the server ends again and again; see :Midspan log')
    vim.notify('Midspan: the server ends again and again; see :Midspan log', vim.log.levels.ERROR)
    return
  end
  if restarts == 1 then
    vim.notify('Midspan: the server ended unexpectedly and is started again', vim.log.levels.WARN)
  end
  vim.defer_fn(M.restart, 250 * 2 ^ (restarts - 1))
end

function M.restart()
  vim.lsp.enable(client.NAME, false)
  vim.lsp.enable(client.NAME, true)
end

---@param enabled boolean
---@return table<string, any>
function M.settings(enabled)
  local chosen = config.get().server
  return enabled and chosen or vim.tbl_extend('force', chosen, { enabled = false })
end

---@return vim.lsp.Config
function M.config()
  return {
    cmd = start,
    root_dir = root_of,
    capabilities = {
      textDocument = { inlineCompletion = { dynamicRegistration = false } },
      experimental = { midspanStatus = true, midspan = { nextEdit = true } },
    },
    settings = { midspan = M.settings(config.get().enabled) },
    init_options = M.settings(config.get().enabled),
    handlers = {
      ['midspan/status'] = function(_, params)
        status.told(params)
      end,
      ['midspan/nextEdits'] = function(_, params, context)
        require('midspan.next_edit').pushed(context.client_id, params.edits or {})
      end,
    },
    on_exit = vim.schedule_wrap(ended),
  }
end

return M
