--- Ghost text by Neovim itself, where it can (0.12: |vim.lsp.inline_completion|).
local client = require('midspan.client')
local config = require('midspan.config')
local switches = require('midspan.switches')
local text = require('midspan.text')

local M = {}

---@return boolean
function M.is_there()
  return vim.lsp.inline_completion ~= nil
end

---@return boolean
function M.is_used()
  local renderer = config.get().ghost_text.renderer
  return renderer == 'builtin' or (renderer == 'auto' and M.is_there())
end

--- Switch it on where suggestions are wanted and off elsewhere.
function M.refresh()
  if not M.is_used() or not M.is_there() then
    return
  end
  for _, lsp_client in ipairs(vim.lsp.get_clients({ name = client.NAME })) do
    for bufnr in pairs(lsp_client.attached_buffers) do
      vim.lsp.inline_completion.enable(switches.allows(bufnr), { bufnr = bufnr })
    end
  end
end

--- What stands in the buffer already of an item's text.
---@param item table
---@return string
local function typed_of(item)
  if not item.range then
    return ''
  end
  local from_row, from_col = item.range:to_extmark()
  local cursor = vim.api.nvim_win_get_cursor(0)
  local lines = vim.api.nvim_buf_get_text(0, from_row, from_col, cursor[1] - 1, cursor[2], {})
  return table.concat(lines, '\n')
end

---@param item table An item of Neovim's
---@param piece_of fun(text: string): string
---@return table item What is to be inserted.
local function cut(item, piece_of)
  local typed = typed_of(item)
  local rest = type(item.insert_text) == 'string' and text.after(item.insert_text, typed)
  if not rest then
    return item
  end
  local piece = piece_of(rest)
  if piece == rest then
    return item
  end
  local lsp_client = vim.lsp.get_client_by_id(item.client_id)
  local id = item.command and item.command.arguments and item.command.arguments[1]
  if lsp_client and id then
    local arguments = { id, text.utf16_length(typed .. piece) }
    client.execute(lsp_client, 'midspan.acceptPartial', arguments, 0)
  end
  item.insert_text, item.command = typed .. piece, nil
  return item
end

---@param piece_of fun(text: string): string
---@return boolean
function M.accept(piece_of)
  return vim.lsp.inline_completion.get({
    on_accept = function(item)
      return cut(item, piece_of)
    end,
  })
end

---@param step integer
function M.cycle(step)
  vim.lsp.inline_completion.select({ count = step })
end

--- There is no call for it, but what is off shows nothing.
function M.dismiss()
  local here = { bufnr = vim.api.nvim_get_current_buf() }
  vim.lsp.inline_completion.enable(false, here)
  vim.lsp.inline_completion.enable(true, here)
end

return M
