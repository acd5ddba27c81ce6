--- An offer: what the server suggests for a place, and whether it still fits.
local client = require('midspan.client')
local text = require('midspan.text')

local M = {}

---@class midspan.Item
---@field text string What goes in at the origin.
---@field command? lsp.Command Run after all of it was accepted.
---@field id? string The server's name for it.

---@class midspan.Offer
---@field client_id integer
---@field bufnr integer
---@field row integer Of the origin, from 0.
---@field col integer Byte column of the origin.
---@field before string The origin's line in front of it.
---@field after string The origin's line behind it.
---@field last_row integer Where the typed part ends.
---@field items midspan.Item[]
---@field index integer
---@field is_complete boolean Whether these are all alternatives.
---@field place string Version and cursor for which it is known to fit.
---@field rest string What of the current item is not typed yet.

---@return integer bufnr, integer row, integer col
function M.here()
  local cursor = vim.api.nvim_win_get_cursor(0)
  return vim.api.nvim_get_current_buf(), cursor[1] - 1, cursor[2]
end

--- Names a version of a buffer and a cursor in it.
---@return string
function M.place()
  local bufnr, row, col = M.here()
  return ('%d:%s:%d:%d'):format(bufnr, tostring(client.version(bufnr)), row, col)
end

--- What the user typed since the offer was made; nil if anything else happened.
---@param of midspan.Offer
---@return string?
local function typed_since(of)
  local bufnr, row, col = M.here()
  if bufnr ~= of.bufnr or row < of.row or (row == of.row and col < of.col) then
    return
  end
  local lines = vim.api.nvim_buf_get_lines(bufnr, of.row, row + 1, true)
  local behind = lines[#lines]:sub(col + 1)
  if lines[1]:sub(1, of.col) ~= of.before or behind ~= of.after then
    return
  end
  lines[#lines] = lines[#lines]:sub(1, col)
  lines[1] = lines[1]:sub(of.col + 1)
  return table.concat(lines, '\n')
end

--- Cut the offer to what is not typed yet; whether anything is left of it.
---@param of midspan.Offer
---@return boolean
function M.refit(of)
  local typed = typed_since(of)
  local rest = typed and text.after(of.items[of.index].text, typed)
  if not rest or rest == '' then
    return false
  end
  local _, row = M.here()
  of.rest, of.place, of.last_row = rest, M.place(), row
  return true
end

--- An item as text to insert at the cursor; nil if it cannot be drawn as such.
---@param raw lsp.InlineCompletionItem
---@param line string
---@param row integer
---@param col integer
---@param encoding string
---@return midspan.Item?
local function item_of(raw, line, row, col, encoding)
  local insert = raw.insertText
  if type(insert) ~= 'string' then
    return
  end
  insert = insert:gsub('\r\n', '\n')
  local from, to = col, col
  if raw.range then
    if raw.range.start.line ~= row or raw.range['end'].line ~= row then
      return
    end
    from = vim.str_byteindex(line, encoding, raw.range.start.character, false)
    to = vim.str_byteindex(line, encoding, raw.range['end'].character, false)
  end
  local replaced = line:sub(col + 1, to)
  local new = from <= col and to >= col and text.after(insert, line:sub(from + 1, col))
  if not new or (replaced ~= '' and not vim.endswith(new, replaced)) then
    return
  end
  new = new:sub(1, #new - #replaced)
  local arguments = raw.command and raw.command.arguments or {}
  local id = type(arguments[1]) == 'string' and arguments[1] or nil
  return new ~= '' and { text = new, command = raw.command, id = id } or nil
end

---@param lsp_client vim.lsp.Client
---@param result lsp.InlineCompletionItem[]|lsp.InlineCompletionList|nil
---@return midspan.Offer?
function M.make(lsp_client, result)
  local bufnr, row, col = M.here()
  local line = vim.api.nvim_get_current_line()
  local items = {} ---@type midspan.Item[]
  for _, raw in ipairs(result and (result.items or result) or {}) do
    items[#items + 1] = item_of(raw, line, row, col, lsp_client.offset_encoding)
  end
  if #items == 0 then
    return
  end
  return {
    client_id = lsp_client.id,
    bufnr = bufnr,
    row = row,
    col = col,
    before = line:sub(1, col),
    after = line:sub(col + 1),
    last_row = row,
    items = items,
    index = 1,
    is_complete = false,
    place = M.place(),
    rest = items[1].text,
  }
end

return M
