---@type vim.lsp.Config
return require('midspan.lsp').config()
