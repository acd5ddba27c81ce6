--- Carrying an edit through what the user types. Pure functions on text and byte offsets from 0,
--- a line break being one byte.
---
--- The rule. An edit says: in place of `old` at `start` goes `new`. A change somewhere else moves
--- it. A change inside, by which the user does a part of it (types how `new` begins in front of
--- what is left of `old`, or takes away from `old`), leaves the rest of it. Any other change ends it.
local M = {}

---@class midspan.Edit
---@field start integer
---@field old string
---@field new string

---@class midspan.Change
---@field start integer
---@field old_length integer
---@field new string

---@param byte? integer
---@return boolean
local function is_continuation(byte)
  return byte ~= nil and byte >= 0x80 and byte < 0xC0
end

--- Length of the common beginning of two texts, in whole characters.
---@param one string
---@param other string
---@return integer
local function common_prefix(one, other)
  local length, most = 0, math.min(#one, #other)
  while length < most and one:byte(length + 1) == other:byte(length + 1) do
    length = length + 1
  end
  while
    length > 0
    and (is_continuation(one:byte(length + 1)) or is_continuation(other:byte(length + 1)))
  do
    length = length - 1
  end
  return length
end

--- Length of the common end of two texts, in whole characters.
---@param one string
---@param other string
---@return integer
local function common_suffix(one, other)
  local length, most = 0, math.min(#one, #other)
  while length < most and one:byte(#one - length) == other:byte(#other - length) do
    length = length + 1
  end
  while length > 0 and is_continuation(one:byte(#one - length + 1)) do
    length = length - 1
  end
  return length
end

--- The same edit without what it leaves as it is.
---@param edit midspan.Edit
---@return midspan.Edit
function M.trimmed(edit)
  local head = common_prefix(edit.old, edit.new)
  local old, new = edit.old:sub(head + 1), edit.new:sub(head + 1)
  local tail = common_suffix(old, new)
  return {
    start = edit.start + head,
    old = old:sub(1, #old - tail),
    new = new:sub(1, #new - tail),
  }
end

--- Whether `current` lies on the way from `old` to `new`.
---@param old string
---@param new string
---@param current string
---@return boolean
local function is_on_the_way(old, new, current)
  if old:sub(1, #current) == current then
    return true
  end
  for length = common_prefix(current, new), 0, -1 do
    local left = current:sub(length + 1)
    if left == '' or vim.endswith(old, left) then
      return true
    end
  end
  return false
end

--- The edit after a change that lies within it; nil if it does not fit any more.
---@param edit midspan.Edit
---@param change midspan.Change
---@return midspan.Edit?
local function within(edit, change)
  local from = change.start - edit.start
  local current = edit.old:sub(1, from) .. change.new .. edit.old:sub(from + change.old_length + 1)
  if not is_on_the_way(edit.old, edit.new, current) then
    return
  end
  local rest = M.trimmed({ start = edit.start, old = current, new = edit.new })
  return (rest.old ~= '' or rest.new ~= '') and rest or nil
end

--- The edit as it has to be after `change`; nil if it does not fit any more, or is done.
---@param edit midspan.Edit
---@param change midspan.Change
---@return midspan.Edit?
function M.rebased(edit, change)
  local stop, change_stop = edit.start + #edit.old, change.start + change.old_length
  if change_stop < edit.start then
    local by = #change.new - change.old_length
    return { start = edit.start + by, old = edit.old, new = edit.new }
  elseif change.start > stop then
    return edit
  end
  if change.start >= edit.start and change_stop <= stop then
    local rest = within(edit, change)
    if rest or change.old_length > 0 then
      return rest
    end
  end
  -- What only touches the edit leaves it, unless nobody can tell on which side of it that is.
  if edit.old == '' then
    return
  elseif change_stop == edit.start then
    local by = #change.new - change.old_length
    return { start = edit.start + by, old = edit.old, new = edit.new }
  elseif change.start == stop then
    return edit
  end
end

---@param lines string[]
---@param last integer
---@return integer
local function length_of(lines, last)
  local length = 0
  for index = 1, last do
    length = length + #lines[index] + 1
  end
  return length
end

--- The one change that makes `after` of `before`; nil if they are equal.
---@param before string[] Lines.
---@param after string[]
---@return midspan.Change?
function M.change_between(before, after)
  local head, most = 0, math.min(#before, #after)
  while head < most and before[head + 1] == after[head + 1] do
    head = head + 1
  end
  if head == #before and head == #after then
    return
  end
  local tail = 0
  while tail < most - head and before[#before - tail] == after[#after - tail] do
    tail = tail + 1
  end
  -- One line more on either side, so that a line break which came or went is in both texts.
  local first = math.max(0, head - 1)
  local old = table.concat(before, '\n', first + 1, math.min(#before, #before - tail + 1))
  local new = table.concat(after, '\n', first + 1, math.min(#after, #after - tail + 1))
  local core = M.trimmed({ start = length_of(before, first), old = old, new = new })
  return { start = core.start, old_length = #core.old, new = core.new }
end

--- Offset of a place in `lines`.
---@param lines string[]
---@param row integer From 0.
---@param col integer Byte column.
---@return integer
function M.offset_of(lines, row, col)
  return length_of(lines, row) + col
end

--- Row and byte column, from 0, of an offset in `lines`.
---@param lines string[]
---@param offset integer
---@return integer row, integer col
function M.place_of(lines, offset)
  local row = 0
  while row < #lines - 1 and offset > #lines[row + 1] do
    offset = offset - #lines[row + 1] - 1
    row = row + 1
  end
  return row, offset
end

return M
