--- Pieces of suggestions. Pure functions.
local M = {}

local WORD = '[%w_\128-\255]'
local OTHER = '[^%w_%s\128-\255]'

--- What "accept word" takes: blanks and line breaks, then a word or a run of punctuation.
---@param text string
---@return string
function M.first_word(text)
  return text:match('^%s*' .. WORD .. '+') or text:match('^%s*' .. OTHER .. '+') or text
end

--- What "accept line" takes: up to the line break; a break at the very start is taken along.
---@param text string
---@return string
function M.first_line(text)
  return text:match('^\n*[^\n]+') or text
end

--- What remains of `text` once `typed` stands in the buffer; nil if it does not begin so.
---@param text string
---@param typed string
---@return string?
function M.after(text, typed)
  if text:sub(1, #typed) == typed then
    return text:sub(#typed + 1)
  end
end

--- Length in units of UTF-16, as the server counts it.
---@param text string
---@return integer
function M.utf16_length(text)
  return vim.str_utfindex(text, 'utf-16')
end

--- Tabs to blanks, since virtual text shows no tabs; other control characters to nothing.
---@param line string
---@param column integer Screen column where the line begins, from 0.
---@param tabstop integer
---@return string
function M.without_tabs(line, column, tabstop)
  local parts = {} ---@type string[]
  for piece, tab in line:gmatch('([^\t]*)(\t?)') do
    piece = piece:gsub('%c', '')
    column = column + vim.fn.strdisplaywidth(piece)
    parts[#parts + 1] = piece
    if tab ~= '' then
      local width = tabstop - column % tabstop
      parts[#parts + 1] = (' '):rep(width)
      column = column + width
    end
  end
  return table.concat(parts)
end

return M
