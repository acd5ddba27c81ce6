// StyLua, as WebAssembly from npm, on all Lua of this folder: node format.mjs --check | --write
import { readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Config, IndentType, OutputVerification, QuoteStyle, formatCode } from '@johnnymorganz/stylua'

const here = dirname(fileURLToPath(import.meta.url))
const named = { indent_type: IndentType, quote_style: QuoteStyle }

/** `stylua.toml` as the library wants it; made anew for each file, since formatting consumes it. */
function config() {
  const made = Config.new()
  for (const line of readFileSync(join(here, 'stylua.toml'), 'utf8').split('\n')) {
    const [, key, value] = /^(\w+)\s*=\s*"?(\w+)"?$/.exec(line) ?? []
    if (key) made[key] = key in named ? named[key][value] : Number(value)
  }
  return made
}

const files = ['lsp', 'lua', 'plugin'].flatMap((folder) =>
  readdirSync(join(here, folder), { recursive: true })
    .filter((name) => name.endsWith('.lua'))
    .map((name) => join(here, folder, name)),
)
const write = process.argv.includes('--write')
let differing = 0
for (const file of files) {
  const before = readFileSync(file, 'utf8')
  const after = formatCode(before, config(), undefined, OutputVerification.Full)
  if (after === before) continue
  differing += 1
  console.log(`${write ? 'formatted' : 'not formatted'}: ${relative(here, file)}`)
  if (write) writeFileSync(file, after)
}
process.exit(differing > 0 && !write ? 1 : 0)
