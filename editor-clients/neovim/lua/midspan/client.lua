--- The server as a Neovim LSP client: requests, feedback, versions.
local M = {}

M.NAME = 'midspan'

---@param bufnr integer
---@return vim.lsp.Client?
function M.of(bufnr)
  return vim.lsp.get_clients({ bufnr = bufnr, name = M.NAME })[1]
end

--- The version of the buffer that the server knows, or will know with the next request.
---@param bufnr integer
---@return integer?
function M.version(bufnr)
  return vim.lsp.util.buf_versions[bufnr]
end

---@param client vim.lsp.Client
---@return boolean
function M.has_next_edit(client)
  local experimental = client.server_capabilities.experimental
  local ours = type(experimental) == 'table' and experimental.midspan
  return type(ours) == 'table' and ours.nextEdit == true
end

---@param client vim.lsp.Client
---@param command string
---@return boolean
local function serves(client, command)
  local provider = client.server_capabilities.executeCommandProvider
  return vim.list_contains(provider and provider.commands or {}, command)
end

--- Run a command of the server's and do not wait for it.
---@param client vim.lsp.Client
---@param command string
---@param arguments any[]
---@param bufnr integer
function M.execute(client, command, arguments, bufnr)
  if client:is_stopped() or not serves(client, command) then
    return
  end
  local params = { command = command, arguments = arguments }
  client:request('workspace/executeCommand', params, function() end, bufnr)
end

--- Tell the server its settings.
---@param settings table<string, any> What the section `midspan` holds.
function M.configure(settings)
  for _, client in ipairs(vim.lsp.get_clients({ name = M.NAME })) do
    client.settings = vim.tbl_extend('force', client.settings or {}, { midspan = settings })
    client:notify('workspace/didChangeConfiguration', { settings = client.settings })
  end
end

return M
