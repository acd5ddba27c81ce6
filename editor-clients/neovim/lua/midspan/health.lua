--- `:checkhealth midspan`
local client = require('midspan.client')
local config = require('midspan.config')
local program = require('midspan.program')

local M = {}

local function check_neovim()
  vim.health.start('Neovim')
  vim.health.ok(tostring(vim.version()))
  if require('midspan.builtin').is_used() then
    vim.health.ok('ghost text is drawn by Neovim (vim.lsp.inline_completion)')
  else
    vim.health.ok('ghost text is drawn by the plugin')
  end
end

---@param command string[]
local function check_version(command)
  local first = command[#command] == 'lsp' and vim.list_slice(command, 1, #command - 1) or command
  local asked = vim.list_extend(vim.list_slice(first), { '--version' })
  local ok, result = pcall(function()
    return vim.system(asked, { text = true, timeout = 10000 }):wait()
  end)
  if ok and result.code == 0 then
    vim.health.ok(vim.trim(result.stdout))
  else
    local problem = ok and result.stderr or tostring(result)
    vim.health.error(('%s does not run: %s'):format(table.concat(asked, ' '), vim.trim(problem)))
  end
end

local function check_server()
  vim.health.start('Server')
  local found = program.find()
  if not found or not program.is_runnable() then
    vim.health.error(program.missing(), {
      program.INSTALL,
      'or set the command: require("midspan").setup({ cmd = { "/path/to/midspan", "lsp" } })',
      'looked in: the setting `cmd`, $VIRTUAL_ENV, the PATH, the .venv of the repository',
    })
    return
  end
  vim.health.ok(('%s, from %s'):format(table.concat(found.command, ' '), found.from))
  check_version(found.command)
  local clients = vim.lsp.get_clients({ name = client.NAME })
  if #clients == 0 then
    vim.health.warn('not running: open a file (`:Midspan status` says more)')
  end
  for _, lsp_client in ipairs(clients) do
    local count = #vim.tbl_keys(lsp_client.attached_buffers)
    vim.health.ok(('running for %d buffer(s), %s'):format(count, lsp_client.offset_encoding))
    local next_edit = client.has_next_edit(lsp_client)
    vim.health.info(next_edit and 'it has next edits' or 'it has no next edits')
  end
end

local function check_engine()
  vim.health.start('Engine')
  local status = require('midspan.status')
  local report = status.get().state == 'failed' and vim.health.error or vim.health.info
  report(status.sentence(), { '`midspan doctor` in a shell says what does not work' })
end

local function check_keys()
  vim.health.start('Keys')
  local keys = config.get().keys
  if not keys then
    vim.health.info('the plugin sets none (`keys = false`)')
    return
  end
  for name, lhs in vim.spairs(keys) do
    local mode = name:find('next_edit') and 'n' or 'i'
    local mapping = lhs and vim.fn.maparg(lhs, mode, false, true) or {}
    if lhs and (mapping.desc or ''):find('^Midspan') then
      vim.health.ok(('%s: %s'):format(lhs, name))
    elseif lhs and next(mapping) then
      local owner = mapping.desc or mapping.rhs or 'a function'
      vim.health.warn(('%s (%s) belongs to: %s'):format(lhs, name, owner))
    elseif lhs then
      vim.health.info(('%s (%s) is not set yet: no file with Midspan was open'):format(lhs, name))
    end
  end
end

function M.check()
  check_neovim()
  check_server()
  check_engine()
  check_keys()
end

return M
