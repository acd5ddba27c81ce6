// Programs that stand where `midspan` is expected.

import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import * as path from 'node:path';

/** A folder that goes when the tests end. */
export function temporaryFolder(prefix: string): string {
  const folder = mkdtempSync(path.join(tmpdir(), prefix));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

function program(script: string, environment: Readonly<Record<string, string>>): string {
  const file = path.join(temporaryFolder('midspan-program-'), 'midspan');
  const set = Object.entries(environment).map(([name, value]) => `${name}='${value}' `);
  const run = `${set.join('')}exec '${process.execPath}' '${path.join(import.meta.dirname, script)}'`;
  writeFileSync(file, `#!/bin/sh\n${run} "$@"\n`);
  chmodSync(file, 0o755);
  return file;
}

/** A server that says what a test wants; see `script.ts`. */
export function scriptedProgram(): string {
  return program('scriptedServer.ts', {});
}

/** The program `behind`, with a clock at its door; see `wire.ts`. */
export function tappedProgram(behind: string): string {
  return program('tap.ts', { MIDSPAN_BEHIND: behind });
}
