--- What the user chose: defaults, `vim.g.midspan` and `require('midspan').setup()`.
local M = {}

---@alias midspan.Key string|false

---@class midspan.GhostTextConfig
---@field renderer 'auto'|'own'|'builtin' `auto`: Neovim's own where it has one (0.12), else ours.
---@field debounce_ms integer Pause between a keystroke and the request; lets the screen go first.
---@field moved_debounce_ms integer The same after the cursor moved without typing.
---@field on_insert_enter boolean Whether to ask when insert mode begins.
---@field with_menu 'hide'|'show' What happens to ghost text while a completion menu is open.
---@field menu_visible? fun(): boolean Tells of a menu that the plugin does not know by itself.

---@class midspan.NextEditConfig
---@field enabled boolean
---@field on_save boolean Whether to ask after each write.
---@field sign string Text of the sign, at most two cells.

---@class midspan.KeyConfig
---@field accept midspan.Key
---@field accept_word midspan.Key
---@field accept_line midspan.Key
---@field next midspan.Key
---@field previous midspan.Key
---@field suggest midspan.Key
---@field dismiss midspan.Key
---@field next_edit midspan.Key In normal mode: go to the next edit, then accept it.
---@field dismiss_next_edit midspan.Key In normal mode.

---@class midspan.Config
---@field cmd? string[] Command of the server; found by itself without it.
---@field enabled boolean
---@field server table<string, any> The server's settings, its section `midspan`.
---@field ghost_text midspan.GhostTextConfig
---@field next_edit midspan.NextEditConfig
---@field keys midspan.KeyConfig|false

---@type midspan.Config
M.defaults = {
  cmd = nil,
  enabled = true,
  server = {},
  ghost_text = {
    renderer = 'auto',
    debounce_ms = 5,
    moved_debounce_ms = 80,
    on_insert_enter = true,
    with_menu = 'hide',
    menu_visible = nil,
  },
  next_edit = {
    enabled = true,
    on_save = true,
    sign = '»',
  },
  keys = {
    accept = '<Tab>',
    accept_word = '<M-Right>',
    accept_line = '<M-C-Right>',
    next = '<M-]>',
    previous = '<M-[>',
    suggest = [[<M-\>]],
    dismiss = '<C-]>',
    next_edit = '<Tab>',
    dismiss_next_edit = '<Esc>',
  },
}

---@type midspan.Config?
local current

---@param known table
---@param given table
---@param path string
local function refuse_unknown(known, given, path)
  for key, value in pairs(given) do
    local name = path .. key
    local optional = name == 'cmd' or name == 'ghost_text.menu_visible'
    if known[key] == nil and not optional then
      error(('midspan: there is no setting %q'):format(name), 0)
    end
    local nested = type(known[key]) == 'table' and name ~= 'server'
    if nested and type(value) == 'table' then
      refuse_unknown(known[key], value, name .. '.')
    end
  end
end

---@param names string[]
---@return fun(value: any): boolean
local function one_of(names)
  return function(value)
    return vim.list_contains(names, value)
  end
end

---@param chosen midspan.Config
local function check(chosen)
  vim.validate('cmd', chosen.cmd, 'table', true)
  vim.validate('enabled', chosen.enabled, 'boolean')
  vim.validate('server', chosen.server, 'table')
  vim.validate('keys', chosen.keys, function(value)
    return value == false or type(value) == 'table'
  end, 'a table or false')
  local ghost = chosen.ghost_text
  local renderers = { 'auto', 'own', 'builtin' }
  vim.validate(
    'ghost_text.renderer',
    ghost.renderer,
    one_of(renderers),
    table.concat(renderers, '|')
  )
  vim.validate('ghost_text.with_menu', ghost.with_menu, one_of({ 'hide', 'show' }), 'hide|show')
  vim.validate('ghost_text.debounce_ms', ghost.debounce_ms, 'number')
  vim.validate('ghost_text.moved_debounce_ms', ghost.moved_debounce_ms, 'number')
  vim.validate('ghost_text.on_insert_enter', ghost.on_insert_enter, 'boolean')
  vim.validate('ghost_text.menu_visible', ghost.menu_visible, 'function', true)
  vim.validate('next_edit.enabled', chosen.next_edit.enabled, 'boolean')
  vim.validate('next_edit.on_save', chosen.next_edit.on_save, 'boolean')
  vim.validate('next_edit.sign', chosen.next_edit.sign, 'string')
end

--- Use `options` over the defaults. Raises an error that names what is wrong.
---@param options? table
---@return midspan.Config
function M.use(options)
  options = options or {}
  refuse_unknown(M.defaults, options, '')
  local chosen = vim.tbl_deep_extend('force', vim.deepcopy(M.defaults), options)
  check(chosen)
  current = chosen
  return chosen
end

---@return midspan.Config
function M.get()
  return current or M.use(vim.g.midspan)
end

return M
