--- Drawing one ghost text at the cursor by extmarks.
local text = require('midspan.text')

local M = {}

local namespace = vim.api.nvim_create_namespace('midspan.ghost_text')
M.namespace = namespace

---@type integer? The buffer that has marks.
local drawn_in

vim.api.nvim_set_hl(0, 'MidspanGhostText', { default = true, link = 'NonText' })
vim.api.nvim_set_hl(0, 'MidspanHint', { default = true, link = 'Comment' })

---@class midspan.GhostText
---@field bufnr integer
---@field win integer
---@field row integer From 0.
---@field col integer Byte column.
---@field text string
---@field hint? string Shown at the end of its first line.

--- Only the window that is typed in shows it, where Neovim can do that.
---@param win integer
local function only_in(win)
  if vim.api.nvim__ns_set then
    vim.api.nvim__ns_set(namespace, { wins = { win } })
  end
end

--- Whether `count` lines below the cursor are outside of the window.
---@param win integer
---@param count integer
---@return boolean
local function is_cut(win, count)
  return vim.api.nvim_win_call(win, vim.fn.winline) + count > vim.api.nvim_win_get_height(win)
end

---@param ghost midspan.GhostText
---@param rest string What stands behind the cursor in its line.
---@return vim.api.keyset.set_extmark
local function mark_of(ghost, rest)
  local lines = vim.split(ghost.text, '\n', { plain = true })
  local tabstop = vim.bo[ghost.bufnr].tabstop
  local column = vim.api.nvim_win_call(ghost.win, function()
    return vim.fn.virtcol({ ghost.row + 1, ghost.col }) -- of the character before the cursor
  end)
  local first = text.without_tabs(lines[1], column, tabstop)
  local below = {} ---@type [string, string][][]
  for index = 2, #lines do
    local line = lines[index] .. (index == #lines and rest or '')
    below[#below + 1] = { { text.without_tabs(line, 0, tabstop), 'MidspanGhostText' } }
  end
  local covers = #below > 0 and rest ~= ''
  if covers then
    -- What stands behind the cursor goes to the end of the last line.
    local width = vim.fn.strdisplaywidth(rest, column)
    first = first .. (' '):rep(width - vim.fn.strdisplaywidth(first))
  end
  local virtual = { { first, 'MidspanGhostText' } }
  local hint = ghost.hint or ''
  if is_cut(ghost.win, #below) then
    hint = (' ↵ +%d'):format(#below) .. hint
  end
  if hint ~= '' then
    virtual[#virtual + 1] = { hint, 'MidspanHint' }
  end
  return {
    virt_text = virtual,
    virt_text_pos = covers and 'overlay' or 'inline',
    virt_lines = #below > 0 and below or nil,
    hl_mode = 'combine',
    undo_restore = false,
    invalidate = false,
  }
end

---@param ghost midspan.GhostText
function M.show(ghost)
  M.hide()
  only_in(ghost.win)
  local line = vim.api.nvim_buf_get_lines(ghost.bufnr, ghost.row, ghost.row + 1, true)[1]
  local mark = mark_of(ghost, line:sub(ghost.col + 1))
  vim.api.nvim_buf_set_extmark(ghost.bufnr, namespace, ghost.row, ghost.col, mark)
  drawn_in = ghost.bufnr
end

function M.hide()
  if drawn_in and vim.api.nvim_buf_is_valid(drawn_in) then
    vim.api.nvim_buf_clear_namespace(drawn_in, namespace, 0, -1)
  end
  drawn_in = nil
end

---@return boolean
function M.is_visible()
  return drawn_in ~= nil
end

return M
