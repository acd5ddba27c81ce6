--- The command `:Midspan`.
local M = {}

local DEFAULT_SNOOZE_MINUTES = 30

---@type table<string, fun(): any>
local next_edit = {
  ask = function()
    return require('midspan.next_edit').ask(0, 'manual')
  end,
  jump = function()
    return require('midspan.next_edit').jump()
  end,
  accept = function()
    return require('midspan.next_edit').accept()
  end,
  dismiss = function()
    return require('midspan.next_edit').dismiss()
  end,
}

---@param message string
local function say(message)
  vim.notify('Midspan: ' .. message, vim.log.levels.INFO)
end

---@param on boolean
---@return fun(what?: string)
local function switch(on)
  return function(what)
    local switches = require('midspan.switches')
    if what == 'buffer' then
      switches.switch_buffer(vim.api.nvim_get_current_buf(), on)
    else
      switches.switch(on)
    end
  end
end

---@type table<string, fun(argument?: string)>
local actions = {
  enable = switch(true),
  disable = switch(false),
  toggle = function()
    require('midspan.switches').toggle()
  end,
  snooze = function(argument)
    local minutes = tonumber(argument or DEFAULT_SNOOZE_MINUTES)
    if not minutes or minutes <= 0 then
      error(('Midspan: %q is no number of minutes'):format(argument), 0)
    end
    require('midspan.switches').snooze(minutes)
  end,
  status = function()
    local told = require('midspan.status').get()
    local model = told.model ~= '' and (' (%s)'):format(told.model) or ''
    say(require('midspan.status').sentence() .. model)
  end,
  log = function()
    vim.cmd.tabedit({ vim.lsp.log.get_filename(), magic = { file = false } })
    vim.cmd.normal({ 'G', bang = true })
  end,
  restart = function()
    require('midspan.lsp').restart()
  end,
  suggest = function()
    require('midspan').suggest()
  end,
  ['next-edit'] = function(argument)
    local act = next_edit[argument or 'ask']
    if not act then
      error(('Midspan: next-edit knows no %q'):format(argument), 0)
    elseif not act() then
      say('no next edits here')
    end
  end,
}

local arguments = {
  enable = { 'buffer' },
  disable = { 'buffer' },
  ['next-edit'] = { 'ask', 'jump', 'accept', 'dismiss' },
}

---@param given string[]
function M.run(given)
  local name = given[1] or 'status'
  local action = actions[name]
  if not action then
    vim.notify(('Midspan: there is no command %q'):format(name), vim.log.levels.ERROR)
    return
  end
  local ok, problem = pcall(action, given[2])
  if not ok then
    vim.notify(tostring(problem), vim.log.levels.ERROR)
  end
end

---@param lead string
---@param line string
---@return string[]
function M.complete(lead, line)
  local words = vim.split(line, '%s+')
  local names = #words <= 2 and vim.tbl_keys(actions) or arguments[words[2]] or {}
  table.sort(names)
  return vim.tbl_filter(function(name)
    return vim.startswith(name, lead)
  end, names)
end

return M
