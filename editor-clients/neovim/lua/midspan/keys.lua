--- Key mappings that keep what a key was.
local config = require('midspan.config')

local M = {}

local DESCRIPTION = 'Midspan: '
local has_set = {} ---@type table<string, boolean>

---@param mode string
---@param lhs string
---@return table<string, any>?
local function global_mapping(mode, lhs)
  local raw = vim.keycode(lhs)
  for _, mapping in ipairs(vim.api.nvim_get_keymap(mode)) do
    if mapping.lhsraw == raw or mapping.lhsrawalt == raw then
      return mapping
    end
  end
end

--- Give what `lhs` does now another name.
---@param mode string
---@param lhs string
---@return string name
local function keep(mode, lhs)
  local name = ('<Plug>(midspan-was-%s-%s)'):format(mode, lhs:gsub('[<>]', ''))
  local before = global_mapping(mode, lhs)
  if before then
    before.lhs, before.lhsraw, before.lhsrawalt = name, vim.keycode(name), nil
    vim.fn.mapset(mode, false, before)
  else
    -- A key in a mapping expands no abbreviation; i_CTRL-] does.
    vim.keymap.set(mode, name, (mode == 'i' and '<C-]>' or '') .. lhs)
  end
  return name
end

--- Map `lhs` to what `choose` returns, and to what it was where that is nil.
---@param mode string
---@param lhs midspan.Key
---@param what string
---@param choose fun(): string?
function M.over(mode, lhs, what, choose)
  if not lhs or has_set[mode .. lhs] then
    return
  end
  has_set[mode .. lhs] = true
  local was = keep(mode, lhs)
  vim.keymap.set(mode, lhs, function()
    return choose() or was
  end, { expr = true, remap = true, desc = DESCRIPTION .. what })
end

--- Map `lhs` unless the user has mapped it.
---@param lhs midspan.Key
---@param plug string
---@param what string
local function insert_key(lhs, plug, what)
  if lhs and not global_mapping('i', lhs) then
    vim.keymap.set('i', lhs, plug, { remap = true, desc = DESCRIPTION .. what })
  end
end

---@return string?
local function accept_by_key()
  local builtin = require('midspan.builtin')
  if builtin.is_used() then
    if require('midspan.accept').accept('all') then
      return ''
    end
  elseif require('midspan.suggestions').shown() then
    return '<Plug>(midspan-accept)'
  end
  return require('midspan.next_edit').current() and '<Plug>(midspan-next-edit)' or nil
end

--- Set the keys of the settings; once, when the server is first there, so that what other plugins
--- mapped at their start is known.
function M.set()
  local keys = config.get().keys
  if not keys then
    return
  end
  M.over('i', keys.accept, 'accept', accept_by_key)
  insert_key(keys.accept_word, '<Plug>(midspan-accept-word)', 'accept a word')
  insert_key(keys.accept_line, '<Plug>(midspan-accept-line)', 'accept a line')
  insert_key(keys.next, '<Plug>(midspan-next)', 'next suggestion')
  insert_key(keys.previous, '<Plug>(midspan-previous)', 'previous suggestion')
  insert_key(keys.suggest, '<Plug>(midspan-suggest)', 'suggest')
  M.over('i', keys.dismiss, 'dismiss', function()
    return require('midspan.suggestions').shown() and '<Plug>(midspan-dismiss)' or nil
  end)
end

--- Set the keys of normal mode; only where the server has next edits.
function M.set_next_edit()
  local keys = config.get().keys
  if not keys then
    return
  end
  local current = require('midspan.next_edit').current
  M.over('n', keys.next_edit, 'next edit', function()
    return current() and '<Plug>(midspan-next-edit)' or nil
  end)
  M.over('n', keys.dismiss_next_edit, 'dismiss next edit', function()
    return current() and '<Plug>(midspan-dismiss-next-edit)' or nil
  end)
end

return M
