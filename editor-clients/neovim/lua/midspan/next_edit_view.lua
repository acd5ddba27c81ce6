--- Drawing a next edit: what goes, what comes, a sign, and where it is if that is out of sight.
local text = require('midspan.text')

local M = {}

local namespace = vim.api.nvim_create_namespace('midspan.next_edit')
M.namespace = namespace

local drawn_in = {} ---@type table<integer, boolean>

function M.set_highlights()
  local gone = vim.api.nvim_get_hl(0, { name = 'DiffDelete', link = false })
  local look = vim.tbl_extend('force', gone, { default = true, strikethrough = true })
  ---@cast look vim.api.keyset.highlight
  vim.api.nvim_set_hl(0, 'MidspanNextEditDelete', look)
  vim.api.nvim_set_hl(0, 'MidspanNextEditAdd', { default = true, link = 'DiffAdd' })
  vim.api.nvim_set_hl(0, 'MidspanNextEditSign', { default = true, link = 'DiagnosticSignHint' })
  vim.api.nvim_set_hl(0, 'MidspanHint', { default = true, link = 'Comment' })
end
M.set_highlights()

---@class midspan.NextEditPlace
---@field bufnr integer
---@field row integer
---@field col integer
---@field end_row integer
---@field end_col integer
---@field new string
---@field label? string

---@param bufnr integer
---@param lines string[]
---@return [string, string][][]
local function added(bufnr, lines)
  local tabstop = vim.bo[bufnr].tabstop
  return vim.tbl_map(function(line)
    return { { text.without_tabs(line, 0, tabstop), 'MidspanNextEditAdd' } }
  end, lines)
end

---@param at midspan.NextEditPlace
---@param row integer
---@param col integer
---@param mark vim.api.keyset.set_extmark
local function put(at, row, col, mark)
  mark.undo_restore = false
  vim.api.nvim_buf_set_extmark(at.bufnr, namespace, row, col, mark)
end

--- Several lines come: they are shown whole, below what they replace.
---@param at midspan.NextEditPlace
local function draw_lines(at)
  local first = vim.api.nvim_buf_get_lines(at.bufnr, at.row, at.row + 1, true)[1]
  local last = vim.api.nvim_buf_get_lines(at.bufnr, at.end_row, at.end_row + 1, true)[1]
  local is_insertion = at.row == at.end_row and at.col == at.end_col
  local lines = vim.split(at.new, '\n', { plain = true })
  if is_insertion and at.col == 0 and lines[#lines] == '' then
    lines[#lines] = nil
    put(at, at.row, 0, { virt_lines = added(at.bufnr, lines), virt_lines_above = true })
    return
  elseif is_insertion and at.col == #first and lines[1] == '' then
    table.remove(lines, 1)
  else
    lines[1] = first:sub(1, at.col) .. lines[1]
    lines[#lines] = lines[#lines] .. last:sub(at.end_col + 1)
  end
  put(at, at.end_row, 0, { virt_lines = added(at.bufnr, lines) })
end

--- Say where the edit is, behind the cursor's line.
---@param at midspan.NextEditPlace
local function draw_hint(at)
  local win = vim.api.nvim_get_current_win()
  local bufnr = vim.api.nvim_win_get_buf(win)
  local place = ('line %d'):format(at.row + 1)
  if bufnr == at.bufnr then
    local is_above, is_below = at.row + 1 < vim.fn.line('w0'), at.row + 1 > vim.fn.line('w$')
    if not is_above and not is_below then
      return
    end
    place = (is_above and '↑ ' or '↓ ') .. place
  else
    place = vim.fn.fnamemodify(vim.api.nvim_buf_get_name(at.bufnr), ':t') .. ' ' .. place
  end
  local hint = (' next edit: %s%s'):format(place, at.label and ' (' .. at.label .. ')' or '')
  local row = vim.api.nvim_win_get_cursor(win)[1] - 1
  vim.api.nvim_buf_set_extmark(bufnr, namespace, row, 0, {
    virt_text = { { hint, 'MidspanHint' } },
    virt_text_pos = 'eol',
    undo_restore = false,
  })
  drawn_in[bufnr] = true
end

---@param at midspan.NextEditPlace
---@param sign string
function M.show(at, sign)
  M.hide()
  drawn_in[at.bufnr] = true
  if at.row ~= at.end_row or at.col ~= at.end_col then
    put(at, at.row, at.col, {
      end_row = at.end_row,
      end_col = at.end_col,
      hl_group = 'MidspanNextEditDelete',
      hl_eol = true,
      priority = 200,
    })
  end
  if at.new:find('\n', 1, true) then
    draw_lines(at)
  elseif at.new ~= '' then
    put(at, at.end_row, at.end_col, {
      virt_text = {
        { text.without_tabs(at.new, 0, vim.bo[at.bufnr].tabstop), 'MidspanNextEditAdd' },
      },
      virt_text_pos = 'inline',
    })
  end
  if sign ~= '' then
    put(at, at.row, 0, { sign_text = sign, sign_hl_group = 'MidspanNextEditSign' })
  end
  draw_hint(at)
end

function M.hide()
  for bufnr in pairs(drawn_in) do
    if vim.api.nvim_buf_is_valid(bufnr) then
      vim.api.nvim_buf_clear_namespace(bufnr, namespace, 0, -1)
    end
  end
  drawn_in = {}
end

---@param bufnr integer
---@return boolean
function M.is_drawn_in(bufnr)
  return drawn_in[bufnr] == true
end

return M
