// From the key to ghost text on the screen, beside the server's own time. Prints one line of JSON.
//
// The server's time is from the request to the answer, as it counts it itself (`latency_ms` in its
// counters): its pause for fast typing and the engine are in it. What is left is the client's.

import { readFileSync } from 'node:fs';
import * as path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { MIDSPAN, until, VsCode } from './vscode.ts';

const ROUNDS = Number(process.argv[2] ?? 30);
/** The counters round their time to this. */
const CLOCK_MS = 1;
const LINES = ['return ', 'result = ', 'total = ', 'if ', 'print(', 'for '];
const CODE = `def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def variance(values: list[float]) -> float:
    center = mean(values)
    return sum((value - center) ** 2 for value in values) / len(values)


def scaled(values: list[float], factor: float) -> list[float]:
    return [value * factor for value in values]


def report(values: list[float]) -> None:
`;

interface Seen {
  key: number;
  ghost: number;
}

/** In the page: when the last key went down, and when ghost text was painted after it. */
function watch(): void {
  const seen: Seen = { key: 0, ghost: 0 };
  Object.assign(window, { seen });
  const onKey = () => {
    seen.key = performance.now();
    seen.ghost = 0;
  };
  document.addEventListener('keydown', onKey, true);
  const look = () => {
    const isShown = document.querySelector('.ghost-text-decoration, .ghost-text') !== null;
    if (isShown && seen.ghost === 0) {
      requestAnimationFrame(() => {
        seen.ghost ||= performance.now();
      });
    }
  };
  new MutationObserver(look).observe(document.body, { childList: true, subtree: true });
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return Math.round(10 * (sorted[Math.floor(sorted.length / 2)] ?? Number.NaN)) / 10;
}

interface Offered {
  readonly outcome: string;
  /** Seconds since 1970, when it was sent. */
  readonly at: number;
  readonly latency_ms: number;
}

/** The suggestions that the server made, in order. */
function offered(code: VsCode): Offered[] {
  const file = path.join(code.root, 'state/counters.jsonl');
  return readFileSync(file, { encoding: 'utf8', flag: 'a+' })
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Offered)
    .filter(({ outcome }) => outcome === 'offered');
}

const code = await VsCode.start({
  files: { 'report.py': CODE },
  settings: { 'midspan.server.path': MIDSPAN, 'midspan.threshold': 0 },
});
try {
  await code.openFile('report.py');
  await code.statusIs(/ready:/i);
  await code.page.evaluate(watch);
  const rounds: { total: number; server: number }[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    await code.page.keyboard.press('Control+End');
    const line = LINES[round % LINES.length] ?? '';
    await code.type(`    ${line}`.slice(0, -1));
    await sleep(300);
    await code.page.keyboard.press('Escape');
    await code.page.keyboard.type(line.slice(-1));
    const isShown = () => code.page.evaluate(() => (window as unknown as { seen: Seen }).seen);
    const painted = until(async () => (await isShown()).ghost > 0, 'none', 4000);
    const hasGhost = await painted.then(
      () => true,
      () => false,
    );
    const { key, ghost } = await isShown();
    const made = offered(code).at(-1);
    const keyAt = await code.page.evaluate((at) => performance.timeOrigin + at, key);
    // What comes out of a cache was asked before the key, and says nothing here.
    if (hasGhost && made !== undefined && 1000 * made.at - made.latency_ms >= keyAt - CLOCK_MS) {
      rounds.push({ total: ghost - key, server: made.latency_ms });
    }
    await code.page.keyboard.press('Escape');
    await code.page.keyboard.press('Shift+Home');
    await code.page.keyboard.press('Backspace');
  }
  const added = rounds.map(({ total, server }) => total - server);
  console.log(
    JSON.stringify({
      what: 'VS Code, key to ghost text',
      rounds: rounds.length,
      key_to_ghost_p50_ms: median(rounds.map(({ total }) => total)),
      server_p50_ms: median(rounds.map(({ server }) => server)),
      client_added_p50_ms: median(added),
      client_added_least_ms: Math.round(10 * Math.min(...added)) / 10,
    }),
  );
} finally {
  await code.stop();
}
