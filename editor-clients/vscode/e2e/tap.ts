// A server with a clock at its door: starts the program in MIDSPAN_BEHIND, passes everything on and
// writes down when each message went through, as lines of `wire.jsonl` in the folder MIDSPAN_STATE.

import { spawn } from 'node:child_process';
import { appendFileSync } from 'node:fs';
import * as path from 'node:path';
import { PassThrough, type Readable, type Writable } from 'node:stream';
import { StreamMessageReader } from 'vscode-languageserver-protocol/node';
import type { Passed } from './wire.ts';

const log = path.join(process.env['MIDSPAN_STATE'] ?? '.', 'wire.jsonl');

function now(): number {
  return performance.timeOrigin + performance.now();
}

/** Pass `from` on to `to`; the time of a message is that of the piece that completes it. */
function pass(from: Readable, to: Writable, direction: Passed['direction']): void {
  const copy = new PassThrough();
  let at = 0;
  from.on('data', (piece: Buffer) => {
    at = now();
    to.write(piece);
    copy.write(piece);
  });
  from.on('end', () => to.end());
  new StreamMessageReader(copy).listen((message) => {
    const { id, method } = message as { id?: number; method?: string };
    appendFileSync(log, `${JSON.stringify({ direction, id, method, at } satisfies Passed)}\n`);
  });
}

const program = process.env['MIDSPAN_BEHIND'] ?? 'midspan';
const server = spawn(program, process.argv.slice(2), { stdio: ['pipe', 'pipe', 'inherit'] });
server.on('exit', (code) => process.exit(code ?? 1));
pass(process.stdin, server.stdin, 'in');
pass(server.stdout, process.stdout, 'out');
