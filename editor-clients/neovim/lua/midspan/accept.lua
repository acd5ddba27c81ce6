--- Taking a suggestion into the buffer: all of it, a word, a line.
local client = require('midspan.client')
local suggestions = require('midspan.suggestions')
local text = require('midspan.text')

local M = {}

---@alias midspan.Amount 'all'|'word'|'line'

---@type table<midspan.Amount, fun(text: string): string>
local PIECE = {
  all = function(rest)
    return rest
  end,
  word = text.first_word,
  line = text.first_line,
}

local KEYS = vim.keycode("<C-g>u<Cmd>lua require('midspan.accept').insert('%s')<CR><C-g>u")

--- Insert as a paste does: one change, part of what `.` repeats, no indenting and no mappings.
---@param piece string
local function paste(piece)
  local handler = vim.paste
  -- The user's handler is for text from elsewhere, and Neovim's own redraws at once: it flickers.
  vim.paste = function(lines)
    vim.api.nvim_put(lines, 'c', false, true)
    return true
  end
  local ok, problem = pcall(vim.api.nvim_paste, piece, false, -1)
  vim.paste = handler
  if not ok then
    error(problem, 0)
  end
end

---@param offer midspan.Offer
---@param taken string All of the item's text that stands in the buffer now.
local function tell(offer, taken)
  local lsp_client = vim.lsp.get_client_by_id(offer.client_id)
  local item = offer.items[offer.index]
  if not lsp_client or not item.command then
    return
  end
  if taken == item.text then
    lsp_client:exec_cmd(item.command, { bufnr = offer.bufnr })
  elseif item.id then
    local arguments = { item.id, text.utf16_length(taken) }
    client.execute(lsp_client, 'midspan.acceptPartial', arguments, offer.bufnr)
  end
end

--- Insert now. Keys call this, between two breaks of the undo sequence.
---@param amount midspan.Amount
function M.insert(amount)
  local offer = suggestions.shown()
  if not offer then
    return
  end
  local piece = PIECE[amount](offer.rest)
  local item = offer.items[offer.index]
  local taken = item.text:sub(1, #item.text - #offer.rest) .. piece
  paste(piece)
  vim.schedule(function()
    tell(offer, taken)
  end)
end

--- Accept `amount` of what is shown; whether there was anything.
---@param amount? midspan.Amount
---@return boolean
function M.accept(amount)
  amount = amount or 'all'
  local builtin = require('midspan.builtin')
  if builtin.is_used() then
    return builtin.accept(PIECE[amount])
  end
  if not suggestions.shown() then
    return false
  end
  vim.api.nvim_feedkeys(KEYS:format(amount), 'ni', false)
  return true
end

return M
