--- What the user is told: engine, server, switches. One line for a statusline.
local M = {}

---@class midspan.Status
---@field state 'stopped'|'starting'|'loading'|'ready'|'failed'|'off'
---@field message string
---@field progress number 0 to 1 while loading.
---@field model string

---@type midspan.Status
local current = { state = 'stopped', message = '', progress = 0, model = '' }
local pending = 0
-- Shorter requests are not worth a redrawn statusline.
local THINKING_MS = 200

local function announce()
  vim.api.nvim_exec_autocmds('User', { pattern = 'MidspanStatus', modeline = false })
  vim.cmd.redrawstatus()
end

---@param status midspan.Status
function M.told(status)
  current = status
  announce()
end

---@param message string
function M.failed(message)
  M.told({ state = 'failed', message = message, progress = 0, model = '' })
end

function M.stopped()
  M.told({ state = 'stopped', message = '', progress = 0, model = '' })
end

--- A request was sent; the function that is returned says that it is done.
---@return fun()
function M.thinking()
  pending = pending + 1
  local is_done, is_told = false, false
  vim.defer_fn(function()
    if not is_done then
      is_told = true
      announce()
    end
  end, THINKING_MS)
  return function()
    if not is_done then
      is_done = true
      pending = pending - 1
      if is_told then
        announce()
      end
    end
  end
end

---@return midspan.Status
function M.get()
  return current
end

--- A sentence about the buffer: `ready`, `loading 40 %`, `off: …`, `failed: …`.
---@param bufnr? integer
---@return string
function M.sentence(bufnr)
  local switches = require('midspan.switches')
  local reason = switches.why_off(bufnr or vim.api.nvim_get_current_buf())
  if reason then
    return reason
  end
  if current.state == 'loading' then
    return ('loading %d %%'):format(math.floor(100 * current.progress + 0.5))
  end
  if current.state == 'ready' and pending > 0 then
    return 'thinking'
  end
  if current.message ~= '' then
    return current.state .. ': ' .. current.message
  end
  return current.state
end

local MARKS = { ready = '', thinking = ' …', stopped = ' -', failed = ' !', off = ' -' }

--- For a statusline: short, and empty in buffers that Midspan has nothing to do with.
---@return string
function M.statusline()
  local bufnr = vim.api.nvim_get_current_buf()
  if not require('midspan.client').of(bufnr) and current.state ~= 'failed' then
    return ''
  end
  local sentence = M.sentence(bufnr)
  local word = sentence:match('^%a+')
  if word == 'loading' or word == 'snoozed' then
    return 'Midspan ' .. sentence
  end
  return 'Midspan' .. (MARKS[word] or ' ' .. word)
end

return M
