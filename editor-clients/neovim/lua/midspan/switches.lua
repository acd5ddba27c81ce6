--- On and off: for everything, for a buffer, for some minutes.
local client = require('midspan.client')
local config = require('midspan.config')

local M = {}

---@type boolean? nil until the user switched; then the setting counts.
local switched
---@type uv.uv_timer_t?
local snooze
local snoozed_until = 0

---@return boolean
local function is_on()
  if switched == nil then
    return config.get().enabled
  end
  return switched
end

---@return integer
local function snoozed_minutes()
  return math.ceil((snoozed_until - vim.uv.now()) / 60000)
end

--- Why there are no suggestions in the buffer; nil if there may be some.
---@param bufnr integer
---@return string?
function M.why_off(bufnr)
  if not is_on() then
    return 'off: switched off'
  end
  if vim.b[bufnr].midspan == false then
    return 'off: switched off in this buffer'
  end
  if snooze then
    return ('snoozed for %d min'):format(snoozed_minutes())
  end
end

---@param bufnr integer
---@return boolean
function M.allows(bufnr)
  return M.why_off(bufnr) == nil
end

local function changed()
  local suggestions = require('midspan.suggestions')
  suggestions.clear()
  require('midspan.builtin').refresh()
  if not is_on() or snooze then
    require('midspan.next_edit').forget_all()
  end
  vim.cmd.redrawstatus()
  suggestions.follow()
end

---@param on boolean
function M.switch(on)
  switched = on
  M.wake()
  client.configure(require('midspan.lsp').settings(on))
  changed()
end

---@param bufnr integer
---@param on boolean
function M.switch_buffer(bufnr, on)
  vim.b[bufnr].midspan = on
  changed()
end

function M.toggle()
  M.switch(not is_on() or snooze ~= nil)
end

---@param minutes number
function M.snooze(minutes)
  M.wake()
  snoozed_until = vim.uv.now() + math.floor(minutes * 60000)
  snooze = assert(vim.uv.new_timer())
  snooze:start(math.floor(minutes * 60000), 0, vim.schedule_wrap(M.wake))
  changed()
end

function M.wake()
  if snooze then
    snooze:close()
    snooze = nil
    changed()
  end
end

return M
