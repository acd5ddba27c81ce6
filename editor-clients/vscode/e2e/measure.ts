// From the key to ghost text on the screen, and where the time goes. Prints one line of JSON.
//
//   e2e/run.sh measure.ts 30        the real server and engine
//   e2e/run.sh measure.ts 30 100    a scripted server that takes 100 ms, for the client alone
//
// Times are medians in milliseconds. Messages are timed between the extension and the server:
//
// to_change  from the key to the change at the server
// to_request from there to the request for it
// server     from the request to the answer, its pause for fast typing and the engine in it
// to_dom     from the answer to ghost text in the page
// to_paint   from there until that frame is painted
// client_added is all of it without `server`. `echo` is what VS Code takes to show the typed character
// itself, with or without an extension.

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import * as path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { scriptedProgram, tappedProgram } from './programs.ts';
import type { Script } from './script.ts';
import { MIDSPAN, until, VsCode } from './vscode.ts';
import type { Passed } from './wire.ts';

const ROUNDS = Number(process.argv[2] ?? 30);
const WARM_UP_LINES = 6;
const SCRIPTED_MS = process.argv[3];
const LINES = ['return ', 'result = ', 'total = ', 'if ', 'print(', 'for '];
const REQUEST = 'textDocument/inlineCompletion';
const CHANGE = 'textDocument/didChange';
const CODE = `def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def variance(values: list[float]) -> float:
    center = mean(values)
    return sum((value - center) ** 2 for value in values) / len(values)


def scaled(values: list[float], factor: float) -> list[float]:
    return [value * factor for value in values]


def report(values: list[float]) -> None:
`;

/** Milliseconds since 1970. */
interface Seen {
  key: number;
  /** When the frame with the typed character was painted. */
  echo: number;
  dom: number;
  painted: number;
}

type Page = typeof globalThis & { seen: Seen; isPainted: Promise<void> };

/**
 * In the page: when the last key went down, when ghost text was in the page after it, and when the
 * frame with it was done. VS Code draws in animation frames, and a message that is posted there comes
 * after the frame is painted.
 */
function watch(): void {
  const seen: Seen = { key: 0, echo: 0, dom: 0, painted: 0 };
  Object.assign(window, { seen });
  const now = () => performance.timeOrigin + performance.now();
  let painted: () => void = () => undefined;
  const onKey = () => {
    Object.assign(seen, { key: now(), echo: 0, dom: 0, painted: 0 });
    const isPainted = new Promise<void>((resolve) => {
      painted = resolve;
    });
    Object.assign(window, { isPainted });
  };
  document.addEventListener('keydown', onKey, true);
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = ({ data }) => {
    if (data === 'echo') seen.echo ||= now();
    else {
      seen.painted = now();
      painted();
    }
  };
  const look = (changes: MutationRecord[]) => {
    if (seen.dom !== 0 || seen.key === 0) return;
    const isLine = ({ target }: MutationRecord) =>
      target instanceof Element && target.closest('.view-lines') !== null;
    if (seen.echo === 0 && changes.some(isLine)) port2.postMessage('echo');
    if (document.querySelector('.ghost-text-decoration, .suggest-preview-text') === null) return;
    seen.dom = now();
    port2.postMessage('ghost');
  };
  new MutationObserver(look).observe(document.body, { childList: true, subtree: true });
}

type Part = 'to_change' | 'to_request' | 'server' | 'to_dom' | 'to_paint';
type Round = Readonly<Record<Part | 'echo', number>>;

/** What passed since `key`, as the parts of one round; nothing if it came out of a cache. */
function roundOf({ key, echo, dom, painted }: Seen, wire: readonly Passed[]): Round | undefined {
  const since = wire.filter(({ at }) => at >= key);
  const changed = since.find(({ method }) => method === CHANGE)?.at;
  const answers = since.filter(({ direction, at }) => direction === 'out' && at <= dom);
  const asked = since.findLast(
    ({ method, id }) => method === REQUEST && answers.some((one) => one.id === id),
  );
  const answered = answers.find(({ id }) => id !== undefined && id === asked?.id)?.at;
  if (changed === undefined || asked === undefined || answered === undefined) return undefined;
  return {
    to_change: changed - key,
    to_request: asked.at - changed,
    server: answered - asked.at,
    to_dom: dom - answered,
    to_paint: painted - dom,
    echo: echo - key,
  };
}

function wireOf(code: VsCode): Passed[] {
  const lines = readFileSync(path.join(code.root, 'state/wire.jsonl'), 'utf8').split('\n');
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as Passed);
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return Math.round(10 * (sorted[Math.floor(sorted.length / 2)] ?? Number.NaN)) / 10;
}

/** Type for a while: whoever waits for ghost text has typed for longer than the first few keys. */
async function warmUp(code: VsCode): Promise<void> {
  await code.page.keyboard.press('Control+End');
  for (let line = 0; line < WARM_UP_LINES; line++) {
    await code.page.keyboard.type('    check(values, factor)  # each of them', { delay: 20 });
    await code.page.keyboard.press('Shift+Home');
    await code.page.keyboard.press('Backspace');
  }
}

async function measured(code: VsCode, round: number): Promise<Round | undefined> {
  await code.page.keyboard.press('Control+End');
  const line = LINES[round % LINES.length] ?? '';
  await code.type(`    ${line}`.slice(0, -1));
  await sleep(300);
  await code.page.keyboard.press('Escape');
  await sleep(200);
  await code.page.keyboard.type(line.slice(-1));
  // Nothing looks at the page meanwhile: that would take time as well.
  await Promise.race([
    code.page.evaluate(() => (window as unknown as Page).isPainted),
    sleep(4000),
  ]);
  const seen = await code.page.evaluate(() => (window as unknown as Page).seen);
  const found = seen.painted > 0 ? roundOf(seen, wireOf(code)) : undefined;
  await code.page.keyboard.press('Escape');
  await code.page.keyboard.press('Shift+Home');
  await code.page.keyboard.press('Backspace');
  return found;
}

const behind = SCRIPTED_MS === undefined ? MIDSPAN : scriptedProgram();
const code = await VsCode.start({
  files: { 'report.py': CODE },
  settings: { 'midspan.server.path': tappedProgram(behind), 'midspan.threshold': 0 },
});
try {
  if (SCRIPTED_MS !== undefined) {
    const script: Script = { exactMs: Number(SCRIPTED_MS) };
    writeFileSync(path.join(code.root, 'state/script.json'), JSON.stringify(script));
  }
  await code.openFile('report.py');
  await code.statusIs(/ready/i);
  await until(() => existsSync(path.join(code.root, 'state/wire.jsonl')), 'nothing passed');
  await warmUp(code);
  await code.page.evaluate(watch);
  console.error('measuring');
  const rounds: Round[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const one = await measured(code, round);
    if (one !== undefined) rounds.push(one);
  }
  const parts = ['to_change', 'to_request', 'server', 'to_dom', 'to_paint'] as const;
  const total = (one: Round) => parts.reduce((sum, part) => sum + one[part], 0);
  const added = rounds.map((one) => total(one) - one.server);
  console.log(
    JSON.stringify({
      what: 'VS Code, key to ghost text',
      rounds: rounds.length,
      key_to_ghost: median(rounds.map(total)),
      ...Object.fromEntries(parts.map((part) => [part, median(rounds.map((one) => one[part]))])),
      client_added: median(added),
      echo: median(rounds.map(({ echo }) => echo)),
      client_added_least: Math.round(10 * Math.min(...added)) / 10,
    }),
  );
} finally {
  await code.stop();
}
