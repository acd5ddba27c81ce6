--- Completion menus beside which ghost text is shown: Neovim's own, blink.cmp, nvim-cmp.
local config = require('midspan.config')

local M = {}

--- Ask a plugin only when the user runs it: `require` would load it.
---@param module string
---@param names string[] The function's names over the versions.
---@return boolean
local function says_visible(module, names)
  local plugin = package.loaded[module]
  if type(plugin) ~= 'table' then
    return false
  end
  for _, name in ipairs(names) do
    local ask = rawget(plugin, name) or plugin[name]
    if type(ask) == 'function' then
      return ask() == true
    end
  end
  return false
end

---@return boolean
function M.is_visible()
  if vim.fn.pumvisible() == 1 then
    return true
  end
  if
    says_visible('blink.cmp', { 'is_menu_visible', 'is_visible' })
    or says_visible('cmp', { 'visible' })
  then
    return true
  end
  local ask = config.get().ghost_text.menu_visible
  return ask ~= nil and ask() == true
end

--- Whether a menu stands where ghost text would be in the way.
---@return boolean
function M.is_in_the_way()
  return config.get().ghost_text.with_menu == 'hide' and M.is_visible()
end

--- Call `changed` whenever a menu opens or closes.
---@param group integer
---@param changed fun()
function M.watch(group, changed)
  vim.api.nvim_create_autocmd({ 'CompleteChanged', 'CompleteDone' }, {
    group = group,
    callback = vim.schedule_wrap(changed),
  })
  vim.api.nvim_create_autocmd('User', {
    group = group,
    pattern = { 'BlinkCmpMenuOpen', 'BlinkCmpMenuClose' },
    callback = vim.schedule_wrap(changed),
  })
  local cmp = package.loaded.cmp
  if type(cmp) == 'table' and cmp.event then
    cmp.event:on('menu_opened', vim.schedule_wrap(changed))
    cmp.event:on('menu_closed', vim.schedule_wrap(changed))
  end
end

return M
