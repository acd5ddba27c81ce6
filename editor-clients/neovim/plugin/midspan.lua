if vim.g.loaded_midspan then
  return
end
vim.g.loaded_midspan = true

if vim.fn.has('nvim-0.11') == 0 then
  vim.notify('Midspan needs Neovim 0.11 or later', vim.log.levels.WARN)
  return
end

local function call(name)
  return ("<Cmd>lua require('midspan').%s()<CR>"):format(name)
end

local insert_maps = {
  ['accept'] = 'accept',
  ['accept-word'] = 'accept_word',
  ['accept-line'] = 'accept_line',
  ['next'] = 'next',
  ['previous'] = 'previous',
  ['suggest'] = 'suggest',
  ['dismiss'] = 'dismiss',
}
for name, target in pairs(insert_maps) do
  vim.keymap.set('i', ('<Plug>(midspan-%s)'):format(name), call(target))
end
vim.keymap.set({ 'n', 'i' }, '<Plug>(midspan-next-edit)', call('next_edit'))
vim.keymap.set(
  { 'n', 'i' },
  '<Plug>(midspan-dismiss-next-edit)',
  "<Cmd>lua require('midspan.next_edit').dismiss()<CR>"
)
vim.keymap.set(
  { 'n', 'i' },
  '<Plug>(midspan-ask-next-edit)',
  "<Cmd>lua require('midspan.next_edit').ask(0, 'manual')<CR>"
)

vim.api.nvim_create_user_command('Midspan', function(command)
  require('midspan.commands').run(command.fargs)
end, {
  nargs = '*',
  desc = 'Midspan: switches, status, log, next edits',
  complete = function(lead, line)
    return require('midspan.commands').complete(lead, line)
  end,
})

-- After the user's own configuration, whichever way the plugin was loaded.
if vim.v.vim_did_enter == 1 then
  vim.schedule(function()
    require('midspan').start()
  end)
else
  vim.api.nvim_create_autocmd('VimEnter', {
    once = true,
    callback = function()
      require('midspan').start()
    end,
  })
end
