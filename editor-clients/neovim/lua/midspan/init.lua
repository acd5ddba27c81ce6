--- Midspan in Neovim: what a configuration calls. See |midspan|.
local config = require('midspan.config')

local M = {}

local group = vim.api.nvim_create_augroup('midspan', {})
local attached = {} ---@type table<integer, boolean>
local has_started = false

---@param bufnr integer
local function watch(bufnr)
  if attached[bufnr] then
    return
  end
  attached[bufnr] = true
  local suggestions, next_edit = require('midspan.suggestions'), require('midspan.next_edit')
  vim.api.nvim_buf_attach(bufnr, false, {
    on_lines = function(_, _, _, first, last, new_last)
      if not attached[bufnr] then
        return true
      end
      suggestions.changed(bufnr, first, last, new_last)
      next_edit.changed(bufnr)
    end,
    on_reload = function()
      suggestions.clear()
      next_edit.forget(bufnr)
    end,
    on_detach = function()
      attached[bufnr] = nil
      next_edit.forget(bufnr)
    end,
  })
end

---@param event { buf: integer, data: { client_id: integer } }
local function on_attach(event)
  local client = require('midspan.client')
  local lsp_client = vim.lsp.get_client_by_id(event.data.client_id)
  if not lsp_client or lsp_client.name ~= client.NAME then
    return
  end
  watch(event.buf)
  require('midspan.keys').set()
  if client.has_next_edit(lsp_client) then
    require('midspan.keys').set_next_edit()
  end
  require('midspan.builtin').refresh()
  vim.cmd.redrawstatus()
end

---@param events string|string[]
---@param act fun(event: table)
---@param pattern? string
local function on(events, act, pattern)
  vim.api.nvim_create_autocmd(events, { group = group, pattern = pattern, callback = act })
end

local function listen()
  local suggestions, next_edit = require('midspan.suggestions'), require('midspan.next_edit')
  on('LspAttach', on_attach)
  on({ 'TextChangedI', 'TextChangedP' }, function(event)
    next_edit.settle(event.buf)
    suggestions.follow()
  end)
  on('TextChanged', function(event)
    next_edit.settle(event.buf)
  end)
  on('CursorMovedI', function()
    suggestions.follow()
    next_edit.redraw()
  end)
  on('InsertEnter', function()
    -- The mode has not changed yet.
    vim.schedule(function()
      if config.get().ghost_text.on_insert_enter then
        suggestions.follow()
      end
    end)
  end)
  on({ 'InsertLeave', 'BufLeave', 'WinLeave' }, suggestions.clear)
  on({ 'CursorMoved', 'WinScrolled', 'BufEnter' }, next_edit.redraw)
  on('BufWritePost', function(event)
    next_edit.saved(event.buf)
  end)
  on('ColorScheme', function()
    require('midspan.next_edit_view').set_highlights()
  end)
  require('midspan.menu').watch(group, suggestions.follow)
end

--- Start the server for the buffers that are open and those that will be. Done by the plugin
--- itself; more calls do nothing.
function M.start()
  if has_started then
    return
  end
  has_started = true
  listen()
  vim.lsp.enable('midspan')
end

--- Change settings; see |midspan-settings|. Raises an error that names what is wrong.
---@param options? table
function M.setup(options)
  config.use(options)
  local settings = require('midspan.lsp').settings(config.get().enabled)
  vim.lsp.config('midspan', { settings = { midspan = settings }, init_options = settings })
  require('midspan.client').configure(settings)
end

--- Accept what is shown; whether there was anything.
---@param amount? midspan.Amount
---@return boolean
function M.accept(amount)
  return require('midspan.accept').accept(amount)
end

---@return boolean
function M.accept_word()
  return M.accept('word')
end

---@return boolean
function M.accept_line()
  return M.accept('line')
end

---@param step integer
local function cycle(step)
  if require('midspan.builtin').is_used() then
    require('midspan.builtin').cycle(step)
  elseif not require('midspan.suggestions').cycle(step) then
    require('midspan.suggestions').suggest()
  end
end

function M.next()
  cycle(1)
end

function M.previous()
  cycle(-1)
end

--- Ask for suggestions at the cursor, several of them.
function M.suggest()
  require('midspan.suggestions').suggest()
end

--- Take the ghost text away; it does not come back before something changes.
function M.dismiss()
  if require('midspan.builtin').is_used() then
    require('midspan.builtin').dismiss()
  else
    require('midspan.suggestions').dismiss()
  end
end

--- Whether ghost text is shown (by the plugin itself; Neovim's own does not tell).
---@return boolean
function M.is_visible()
  return require('midspan.suggestions').shown() ~= nil
end

---@return string
function M.statusline()
  return require('midspan.status').statusline()
end

--- Go to the next edit, or accept it if the cursor is there; whether there is one.
---@return boolean
function M.next_edit()
  return require('midspan.next_edit').jump_or_accept()
end

return M
