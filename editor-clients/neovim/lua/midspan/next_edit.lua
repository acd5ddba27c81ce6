--- Next edits: asking for them, keeping them true while the user types, going there, taking them.
---
--- An edit is bound to a version of its document. The text of that version is kept, so whatever
--- happened since can be told as one change and the edit be carried through it; see `rebase`.
local client = require('midspan.client')
local config = require('midspan.config')
local rebase = require('midspan.rebase')
local status = require('midspan.status')
local switches = require('midspan.switches')
local view = require('midspan.next_edit_view')

local M = {}

local REQUEST, EVENT = 'midspan/nextEdit', 'midspan/nextEditEvent'

---@alias midspan.Reason 'save'|'manual'|'accepted'
---@alias midspan.Outcome 'shown'|'jumped'|'accepted'|'dismissed'|'stale'

---@class midspan.RawNextEdit
---@field id string
---@field textDocument { uri: string, version: integer? }
---@field range lsp.Range
---@field newText string
---@field label? string

---@class midspan.NextEdit
---@field id string
---@field client_id integer
---@field bufnr integer
---@field edit midspan.Edit
---@field label? string
---@field is_told boolean Whether the server knows that it was shown.

--- Best first; the first one is shown.
local queue = {} ---@type midspan.NextEdit[]
--- The lines for which the edits of a buffer hold.
local texts = {} ---@type table<integer, string[]>
---@type { client: vim.lsp.Client, id?: integer, done: fun() }?
local pending

---@param one midspan.NextEdit
---@param kind midspan.Outcome
local function tell(one, kind)
  local lsp_client = vim.lsp.get_client_by_id(one.client_id)
  if lsp_client and not lsp_client:is_stopped() then
    lsp_client:notify(EVENT, { id = one.id, kind = kind })
  end
end

---@param bufnr integer
---@return string[]
local function lines_of(bufnr)
  return vim.api.nvim_buf_get_lines(bufnr, 0, -1, true)
end

---@param one midspan.NextEdit
---@return midspan.NextEditPlace
local function place_of(one)
  local lines = texts[one.bufnr]
  local row, col = rebase.place_of(lines, one.edit.start)
  local end_row, end_col = rebase.place_of(lines, one.edit.start + #one.edit.old)
  return {
    bufnr = one.bufnr,
    row = row,
    col = col,
    end_row = end_row,
    end_col = end_col,
    new = one.edit.new,
    label = one.label,
  }
end

--- Show the best of the edits, or nothing.
function M.redraw()
  local one = queue[1]
  if not one then
    view.hide()
    return
  end
  view.show(place_of(one), config.get().next_edit.sign)
  if not one.is_told then
    one.is_told = true
    tell(one, 'shown')
  end
end

--- Carry the edits of a buffer to what stands in it now.
---@param bufnr integer
---@return boolean changed
local function catch_up(bufnr)
  local before = texts[bufnr]
  if not before or not vim.api.nvim_buf_is_loaded(bufnr) then
    return false
  end
  local now = lines_of(bufnr)
  local change = rebase.change_between(before, now)
  texts[bufnr] = now
  if not change then
    return false
  end
  local kept = {} ---@type midspan.NextEdit[]
  for _, one in ipairs(queue) do
    local edit = one.bufnr ~= bufnr and one.edit or rebase.rebased(one.edit, change)
    if edit then
      one.edit = edit
      kept[#kept + 1] = one
    else
      tell(one, 'stale')
    end
  end
  queue = kept
  return true
end

--- After a change: draw again what still fits.
---@param bufnr integer
function M.settle(bufnr)
  if texts[bufnr] then
    catch_up(bufnr)
    M.redraw()
  end
end

--- Inside a change: nothing of the version before may stay on the screen.
---@param bufnr integer
function M.changed(bufnr)
  if view.is_drawn_in(bufnr) then
    view.hide()
  end
end

---@param raw midspan.RawNextEdit
---@param lsp_client vim.lsp.Client
---@param lines string[]
---@return midspan.Edit?
local function edit_of(raw, lsp_client, lines)
  local offsets = {} ---@type integer[]
  for index, position in ipairs({ raw.range.start, raw.range['end'] }) do
    local row = math.min(position.line, #lines)
    local line = lines[row + 1]
    local col = line
        and vim.str_byteindex(line, lsp_client.offset_encoding, position.character, false)
      or 0
    offsets[index] = rebase.offset_of(lines, row, col)
  end
  local text = table.concat(lines, '\n') .. '\n'
  local old = text:sub(offsets[1] + 1, offsets[2])
  local new = raw.newText:gsub('\r\n', '\n')
  local edit = rebase.trimmed({ start = offsets[1], old = old, new = new })
  return (edit.old ~= '' or edit.new ~= '') and edit or nil
end

--- The text that a version of an open document had; nil if it is not known any more.
---@param bufnr integer
---@param version? integer
---@param asked? { bufnr: integer, version: integer, lines: string[] }
---@return string[]?
local function text_at(bufnr, version, asked)
  if asked and asked.bufnr == bufnr and asked.version == version then
    return asked.lines
  elseif version == client.version(bufnr) or version == vim.NIL or version == nil then
    return lines_of(bufnr)
  end
end

--- Show `edits` in place of those before.
---@param lsp_client vim.lsp.Client
---@param edits midspan.RawNextEdit[]
---@param asked? { bufnr: integer, version: integer, lines: string[] }
local function use(lsp_client, edits, asked)
  queue, texts = {}, {}
  for _, raw in ipairs(edits) do
    local bufnr = vim.uri_to_bufnr(raw.textDocument.uri)
    if not vim.api.nvim_buf_is_loaded(bufnr) then
      vim.fn.bufload(bufnr)
    end
    local lines = text_at(bufnr, raw.textDocument.version, asked)
    local edit = lines and edit_of(raw, lsp_client, lines)
    local one = {
      id = raw.id,
      client_id = lsp_client.id,
      bufnr = bufnr,
      edit = edit,
      label = raw.label,
      is_told = false,
    }
    if edit then
      texts[bufnr] = lines
      queue[#queue + 1] = one
    else
      tell(one, 'stale')
    end
  end
  for bufnr in pairs(texts) do
    catch_up(bufnr)
  end
  M.redraw()
end

---@param bufnr integer
---@return boolean
local function is_wanted(bufnr)
  return config.get().next_edit.enabled and switches.allows(bufnr)
end

local function cancel()
  if pending then
    local old = pending
    pending = nil
    old.done()
    if old.id then
      old.client:cancel_request(old.id)
    end
  end
end

---@param bufnr integer
---@param encoding string
---@param place? integer[] Row and column, from 0; the cursor's by default.
---@return lsp.TextDocumentPositionParams
local function params_at(bufnr, encoding, place)
  if not place and bufnr == vim.api.nvim_get_current_buf() then
    return vim.lsp.util.make_position_params(0, encoding)
  end
  local row, col = unpack(place or { 0, 0 })
  local line = vim.api.nvim_buf_get_lines(bufnr, row, row + 1, false)[1] or ''
  return {
    textDocument = vim.lsp.util.make_text_document_params(bufnr),
    position = { line = row, character = vim.str_utfindex(line, encoding, col, false) },
  }
end

--- Ask the server for next edits.
---@param bufnr integer 0 for the current one.
---@param reason midspan.Reason
---@param place? integer[] Row and column, from 0; the cursor's by default.
---@return boolean asked
function M.ask(bufnr, reason, place)
  bufnr = bufnr == 0 and vim.api.nvim_get_current_buf() or bufnr
  local lsp_client = client.of(bufnr)
  if not lsp_client or not client.has_next_edit(lsp_client) or not is_wanted(bufnr) then
    return false
  end
  cancel()
  local params = params_at(bufnr, lsp_client.offset_encoding, place)
  local asked = { bufnr = bufnr, version = client.version(bufnr), lines = lines_of(bufnr) }
  params.textDocument.version = asked.version
  params.reason = reason
  local mine = { client = lsp_client, done = status.thinking() }
  pending = mine
  local _, id = lsp_client:request(REQUEST, params, function(problem, result)
    mine.done()
    if pending ~= mine then
      return
    end
    pending = nil
    if not problem and is_wanted(bufnr) then
      use(lsp_client, type(result) == 'table' and result.edits or {}, asked)
    end
  end, bufnr)
  mine.id = id
  return true
end

--- The server shows edits by itself.
---@param client_id integer
---@param edits midspan.RawNextEdit[]
function M.pushed(client_id, edits)
  local lsp_client = vim.lsp.get_client_by_id(client_id)
  if lsp_client and is_wanted(vim.api.nvim_get_current_buf()) then
    use(lsp_client, edits)
  end
end

---@param bufnr integer
function M.saved(bufnr)
  if config.get().next_edit.on_save and bufnr == vim.api.nvim_get_current_buf() then
    M.ask(bufnr, 'save')
  end
end

--- The edit that is shown and still fits.
---@return midspan.NextEdit?
function M.current()
  local one = queue[1]
  if one and catch_up(one.bufnr) then
    M.redraw()
  end
  return queue[1]
end

---@return boolean
local function is_there()
  local at = place_of(queue[1])
  local row = vim.api.nvim_win_get_cursor(0)[1] - 1
  return vim.api.nvim_get_current_buf() == at.bufnr and row >= at.row and row <= at.end_row
end

--- Put the cursor where the edit begins.
---@return boolean
function M.jump()
  local one = M.current()
  if not one then
    return false
  end
  local at = place_of(one)
  vim.cmd("normal! m'")
  if vim.api.nvim_get_current_buf() ~= at.bufnr then
    vim.cmd.stopinsert()
    vim.cmd.buffer(at.bufnr)
  end
  vim.api.nvim_win_set_cursor(0, { at.row + 1, at.col })
  vim.cmd('normal! zv')
  tell(one, 'jumped')
  M.redraw()
  return true
end

--- Take the edit, wherever it is, and ask for the one after it.
---@return boolean
function M.accept()
  local one = M.current()
  if not one then
    return false
  end
  local at = place_of(one)
  M.forget_all()
  if vim.api.nvim_get_mode().mode:find('^i') then
    -- A step of its own in the undo sequence, apart from what is being typed.
    vim.o.undolevels = vim.o.undolevels
  end
  local new = vim.split(at.new, '\n', { plain = true })
  vim.api.nvim_buf_set_text(at.bufnr, at.row, at.col, at.end_row, at.end_col, new)
  local row, col = at.row + #new - 1, #new[#new] + (#new == 1 and at.col or 0)
  if vim.api.nvim_get_current_buf() == at.bufnr then
    vim.api.nvim_win_set_cursor(0, { row + 1, col })
  end
  tell(one, 'accepted')
  -- A file that was only loaded for its edit may have no client.
  return M.ask(at.bufnr, 'accepted', { row, col }) or M.ask(0, 'accepted') or true
end

---@return boolean
function M.jump_or_accept()
  if not M.current() then
    return false
  end
  return is_there() and M.accept() or M.jump()
end

--- Take the edit away; the next best is shown.
---@return boolean
function M.dismiss()
  local one = M.current()
  if not one then
    return false
  end
  table.remove(queue, 1)
  tell(one, 'dismissed')
  M.redraw()
  return true
end

--- Show nothing any more.
function M.forget_all()
  cancel()
  queue, texts = {}, {}
  view.hide()
end

---@param bufnr integer
function M.forget(bufnr)
  if texts[bufnr] then
    M.forget_all()
  end
end

return M
