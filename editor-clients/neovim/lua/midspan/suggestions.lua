--- When to ask for ghost text, and whether what came still fits.
---
--- An offer holds for one version of its buffer. As the user types what it says it is cut and goes
--- on without the server; any other change ends it. Marks of an old version are taken away inside
--- the change itself, and what fits is drawn again before the screen is.
local client = require('midspan.client')
local config = require('midspan.config')
local ghost_text = require('midspan.ghost_text')
local menu = require('midspan.menu')
local offers = require('midspan.offer')
local status = require('midspan.status')
local switches = require('midspan.switches')

local M = {}

local METHOD = 'textDocument/inlineCompletion'
local INVOKED, AUTOMATIC = 1, 2
local MOST_REMEMBERED = 100

---@type midspan.Offer?
local offer
---@type { place: string, client: vim.lsp.Client, id?: integer, done: fun() }?
local pending
--- The place that was asked for last; it is not asked for again by itself.
---@type string?
local asked_for
--- The text that was there last; nil at the start of an insertion.
---@type string?
local followed
local timer = assert(vim.uv.new_timer())
local told_shown = {} ---@type table<string, boolean>
local told_count = 0

---@return boolean
local function is_inserting()
  return vim.api.nvim_get_mode().mode:find('^i[cx]?$') ~= nil
end

--- A macro is to do the same each time, whatever is suggested.
---@return boolean
local function in_macro()
  return vim.fn.reg_recording() ~= '' or vim.fn.reg_executing() ~= ''
end

---@type table?
local waiting

---@param bufnr integer
---@return boolean
local function is_wanted(bufnr)
  return is_inserting() and not in_macro() and vim.bo[bufnr].modifiable and switches.allows(bufnr)
end

local function cancel()
  timer:stop()
  -- It may have fired already and wait in the queue.
  waiting = nil
  if pending then
    local old = pending
    pending = nil
    old.done()
    if old.id then
      old.client:cancel_request(old.id)
    end
  end
end

--- Forget what is shown and what is on its way.
function M.clear()
  cancel()
  offer, asked_for, followed = nil, nil, nil
  ghost_text.hide()
end

---@param of midspan.Offer
local function tell_shown(of)
  local item = of.items[of.index]
  local lsp_client = vim.lsp.get_client_by_id(of.client_id)
  if not item.id or told_shown[item.id] or not lsp_client then
    return
  end
  if told_count >= MOST_REMEMBERED then
    told_shown, told_count = {}, 0
  end
  told_shown[item.id], told_count = true, told_count + 1
  vim.schedule(function()
    client.execute(lsp_client, 'midspan.shown', { item.id }, of.bufnr)
  end)
end

---@param of midspan.Offer
local function draw(of)
  local bufnr, row, col = offers.here()
  if menu.is_in_the_way() then
    ghost_text.hide()
    return
  end
  ghost_text.show({
    bufnr = bufnr,
    win = vim.api.nvim_get_current_win(),
    row = row,
    col = col,
    text = of.rest,
    hint = #of.items > 1 and (' (%d/%d)'):format(of.index, #of.items) or nil,
  })
  tell_shown(of)
end

---@param trigger 1|2
---@param use fun(new?: midspan.Offer)
---@return boolean asked
local function request(trigger, use)
  local bufnr = vim.api.nvim_get_current_buf()
  local lsp_client = client.of(bufnr)
  if not lsp_client or not lsp_client:supports_method(METHOD, bufnr) then
    return false
  end
  local params = vim.lsp.util.make_position_params(0, lsp_client.offset_encoding)
  params.context = { triggerKind = trigger }
  local mine = { place = offers.place(), client = lsp_client, done = status.thinking() }
  pending = mine
  local _, id = lsp_client:request(METHOD, params, function(_, result)
    mine.done()
    if pending ~= mine then
      return
    end
    pending = nil
    -- Only what was asked of this very version, for a cursor that is still there, may be shown.
    if offers.place() == mine.place and is_wanted(bufnr) then
      use(offers.make(lsp_client, result))
    else
      asked_for = nil
    end
  end, bufnr)
  mine.id = id
  return true
end

---@param new? midspan.Offer
local function use(new)
  if new then
    offer = new
    draw(new)
  end
end

---@param delay_ms integer
local function ask_soon(delay_ms)
  local wanted, mine = offers.place(), {}
  asked_for, waiting = wanted, mine
  timer:start(
    delay_ms,
    0,
    vim.schedule_wrap(function()
      if waiting ~= mine or asked_for ~= wanted or offers.place() ~= wanted then
        return
      end
      local is_asked = is_wanted(vim.api.nvim_get_current_buf()) and request(AUTOMATIC, use)
      if not is_asked then
        -- What could not be asked now may be asked again at the same place.
        asked_for = nil
      end
    end)
  )
end

--- Whether only the cursor moved since the last call. Events do not tell: CursorMovedI comes for
--- typed keys too, and before TextChangedI.
---@param bufnr integer
---@return boolean
local function has_only_moved(bufnr)
  local before = followed
  followed = ('%d:%s'):format(bufnr, tostring(client.version(bufnr)))
  return followed == before
end

--- Bring what is shown in line with the buffer and the cursor; ask if there is nothing.
function M.follow()
  if require('midspan.builtin').is_used() then
    return
  end
  local bufnr = vim.api.nvim_get_current_buf()
  if not client.of(bufnr) or not is_wanted(bufnr) then
    M.clear()
    return
  end
  local now, moved = offers.place(), has_only_moved(bufnr)
  if offer and (offer.place == now or offers.refit(offer)) then
    if pending and pending.place ~= now then
      cancel()
    end
    draw(offer)
    return
  end
  offer = nil
  ghost_text.hide()
  if asked_for == now then
    return
  end
  cancel()
  if not menu.is_in_the_way() then
    local ghost = config.get().ghost_text
    ask_soon(moved and ghost.moved_debounce_ms or ghost.debounce_ms)
  end
end

--- Note a change of lines `first` to `last` (exclusive, from 0), which has just been made.
---@param bufnr integer
---@param first integer
---@param last integer
---@param new_last integer
function M.changed(bufnr, first, last, new_last)
  if not offer or offer.bufnr ~= bufnr then
    return
  end
  ghost_text.hide()
  if first < offer.row or last > offer.last_row + 1 then
    offer = nil
  else
    offer.last_row = offer.last_row + new_last - last
  end
end

--- The offer, if it is on the screen for the version and the cursor that are there now.
---@return midspan.Offer?
function M.shown()
  if offer and ghost_text.is_visible() and offer.place == offers.place() then
    return offer
  end
end

--- Ask by hand: for several, at places too where nothing comes by itself.
function M.suggest()
  local bufnr = vim.api.nvim_get_current_buf()
  if not is_wanted(bufnr) then
    return
  end
  M.clear()
  asked_for = offers.place()
  request(INVOKED, function(new)
    if new then
      new.is_complete = true
      use(new)
    else
      vim.api.nvim_echo({ { 'Midspan: nothing to suggest here' } }, false, {})
    end
  end)
end

---@param of midspan.Offer
---@param step integer
local function turn(of, step)
  of.index = (of.index - 1 + step) % #of.items + 1
  of.rest = of.items[of.index].text
  draw(of)
end

--- Show the next alternative, or the one before with a negative `step`.
---@param step integer
---@return boolean
function M.cycle(step)
  local of = M.shown()
  if not of then
    return false
  end
  if of.is_complete then
    turn(of, step)
    return true
  end
  cancel()
  local current =
    { text = of.rest, command = of.items[of.index].command, id = of.items[of.index].id }
  request(INVOKED, function(new)
    if not new then
      return
    end
    local items = { current }
    for _, item in ipairs(new.items) do
      if item.text ~= current.text then
        items[#items + 1] = item
      end
    end
    new.items, new.is_complete = items, true
    offer = new
    turn(new, #items > 1 and step or 0)
  end)
  return true
end

--- Take the suggestion off the screen until something changes.
---@return boolean
function M.dismiss()
  local of = M.shown()
  if not of then
    return false
  end
  local item, lsp_client = of.items[of.index], vim.lsp.get_client_by_id(of.client_id)
  M.clear()
  asked_for = offers.place()
  if item.id and lsp_client then
    client.execute(lsp_client, 'midspan.dismiss', { item.id }, of.bufnr)
  end
  return true
end

return M
