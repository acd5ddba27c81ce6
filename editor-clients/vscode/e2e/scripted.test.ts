// The extension with a server that says what a test wants: next edits, and slow suggestions.

import assert from 'node:assert/strict';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import * as path from 'node:path';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { scriptedProgram } from './programs.ts';
import type { Script } from './script.ts';
import { until, VsCode } from './vscode.ts';

const CODE = `def total(prices):
    result = 0
    for price in prices:
        result = result + price
    return result


def shown(prices):
    text = "total: "
    return text + str(total(prices))
`;

const NAMES = [
  'jump',
  'lines',
  'inline',
  'typing',
  'stale',
  'tab',
  'save',
  'rows',
  'late',
  'versions',
];

let code: VsCode;

before(async () => {
  code = await VsCode.start({
    files: Object.fromEntries(NAMES.map((name) => [`${name}.py`, CODE])),
    settings: { 'midspan.server.path': scriptedProgram() },
  });
  await code.statusIs(/ready/i);
});

after(() => code?.stop());

beforeEach(() => {
  rmSync(state('events.jsonl'), { force: true });
});

afterEach(async (context) => {
  if (!('passed' in context) || context.passed) return;
  await code?.screenshot(`failed ${context.name}`);
  console.error(code?.log(), events());
});

function state(name: string): string {
  return path.join(code.root, 'state', name);
}

function scripted(script: Script): void {
  writeFileSync(state('script.json'), JSON.stringify(script));
}

/** What the server was told: `request:save`, `edit-1:shown`, … */
function events(): string[] {
  if (!existsSync(state('events.jsonl'))) return [];
  return readFileSync(state('events.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { request?: string; kind?: string })
    .map((event) => (event.request ? `request:${event.request}` : (event.kind ?? '')));
}

async function told(event: string): Promise<void> {
  await until(
    () => events().includes(event),
    () => `the server was told ${events()}`,
  );
}

/** What the decorations add to the text, one string for each. */
async function drawn(): Promise<string[]> {
  return code.page.evaluate(() =>
    [...document.querySelectorAll('.view-line span')]
      .map((one) => getComputedStyle(one, '::after').content)
      .filter((content) => content !== 'none' && content !== 'normal' && content !== '')
      .map((content) => content.replaceAll('\u00a0', ' ').replaceAll('"', '')),
  );
}

async function isDrawn(part: string): Promise<void> {
  let last: string[] = [];
  await until(
    async () => {
      last = await drawn();
      return last.some((one) => one.includes(part));
    },
    () => `${part} is not drawn, but ${JSON.stringify(last)}`,
  );
}

async function nothingIsDrawn(): Promise<void> {
  await until(async () => (await drawn()).length === 0, 'something is drawn still');
}

/** Texts that are struck through. */
async function struck(): Promise<string[]> {
  return code.page.evaluate(() =>
    [...document.querySelectorAll('.view-line span')]
      .filter((one) => getComputedStyle(one).textDecorationLine.includes('line-through'))
      .map((one) => one.textContent ?? ''),
  );
}

async function askedIn(name: string, line: number, column: number): Promise<void> {
  await code.openFile(name);
  await code.goTo(line, column);
  await code.run('Midspan: Suggest Next Edit');
}

test('Tab goes to a next edit, Tab again takes it, and the one after it is asked for', async () => {
  scripted({
    edits: {
      manual: { old: 'result + price', text: 'result + price.amount', label: 'amount' },
      accepted: { old: 'str(total', text: 'format(total' },
    },
  });
  await askedIn('jump.py', 9, 10);
  await isDrawn('.amount');
  await isDrawn('Tab ↑ next edit in line 4');
  await told('shown');
  await code.screenshot('next edit elsewhere');
  await code.page.keyboard.press('Tab');
  await code.page.getByText('Ln 4,').waitFor();
  await isDrawn('Tab to accept');
  await told('jumped');
  await code.screenshot('next edit here');
  await code.page.keyboard.press('Tab');
  await told('accepted');
  await told('request:accepted');
  await isDrawn('format');
  await until(async () => (await struck()).includes('str'), 'what goes is not struck through');
  await code.screenshot('next edit after that');
  await code.page.keyboard.press('Escape');
  await nothingIsDrawn();
  await told('dismissed');
  assert.equal(await code.saved('jump.py'), CODE.replace('+ price', '+ price.amount'));
});

test('an edit of several lines is shown beside the text and taken in one step', async () => {
  const old = '    result = 0\n    for price in prices:\n        result = result + price\n';
  const text = '    result = sum(price.amount for price in prices)\n    check(result)\n';
  scripted({ edits: { manual: { old, text } } });
  await askedIn('lines.py', 9, 10);
  await isDrawn('data:image/svg+xml');
  await code.screenshot('next edit of several lines');
  await code.page.keyboard.press('Tab');
  await isDrawn('Tab to accept');
  await code.page.keyboard.press('Tab');
  await nothingIsDrawn();
  assert.equal(await code.saved('lines.py'), CODE.replace(old, text));
  await code.page.keyboard.press('Control+Z');
  assert.equal(await code.saved('lines.py'), CODE);
});

test('an edit in the line of the cursor is ghost text', async () => {
  scripted({ edits: { manual: { old: '"total: "', text: '"total: " + currency' } } });
  await askedIn('inline.py', 9, 16);
  assert.equal((await code.ghostShown()).trim(), '+ currency');
  await code.screenshot('next edit as ghost text');
  await code.page.keyboard.press('Tab');
  await told('accepted');
  assert.equal(await code.saved('inline.py'), CODE.replace('"total: "', '"total: " + currency'));
});

test('an edit moves with what is typed elsewhere', async () => {
  scripted({ edits: { manual: { old: 'return result', text: 'return round(result)' } } });
  await askedIn('typing.py', 2, 15);
  await isDrawn('next edit in line 5');
  await code.page.keyboard.press('Enter');
  await code.type('count = 0');
  await isDrawn('next edit in line 6');
  await code.page.keyboard.press('Tab');
  await isDrawn('Tab to accept');
  await code.page.keyboard.press('Tab');
  await told('accepted');
  const want = CODE.replace('result = 0\n', 'result = 0\n    count = 0\n');
  assert.equal(
    await code.saved('typing.py'),
    want.replace('return result', 'return round(result)'),
  );
});

test('an edit whose place is changed otherwise is dropped', async () => {
  scripted({ edits: { manual: { old: 'price in prices', text: 'item in prices' } } });
  await askedIn('stale.py', 3, 14);
  await isDrawn('item');
  await code.type('xy');
  await nothingIsDrawn();
  await told('stale');
});

test('an answer to a text that has changed meanwhile is moved or dropped', async () => {
  scripted({
    edits: { manual: { old: 'return result', text: 'return round(result)' } },
    slowEditMs: 1000,
  });
  await askedIn('stale.py', 2, 15);
  await told('request:manual');
  await code.page.keyboard.press('Enter');
  await isDrawn('next edit in line 6');
  await code.page.keyboard.press('Escape');
  await nothingIsDrawn();
});

test('Tab indents in the indentation, and Alt+Enter goes all the same', async () => {
  scripted({ edits: { manual: { old: 'return result', text: 'return round(result)' } } });
  await askedIn('tab.py', 2, 5);
  await isDrawn('Alt+Enter ↓ next edit in line 5');
  await code.page.keyboard.press('Tab');
  await code.page.getByText('Ln 2, Col 9', { exact: true }).waitFor();
  await code.page.keyboard.press('Alt+Enter');
  await code.page.getByText('Ln 5,').waitFor();
  await code.page.keyboard.press('Alt+Enter');
  await told('accepted');
  const want = CODE.replace('    result = 0', '        result = 0');
  assert.equal(await code.saved('tab.py'), want.replace('return result', 'return round(result)'));
});

test('saving by hand asks for next edits', async () => {
  scripted({ edits: { save: { old: 'return result', text: 'return round(result)' } } });
  await code.openFile('save.py');
  await code.goTo(2, 15);
  await code.type(' ');
  await code.saved('save.py');
  await isDrawn('next edit in line 5');
  await told('request:save');
});

test('what comes after VS Code has given up is shown all the same', async () => {
  scripted({ insert: 'late', exactMs: 1300 });
  await code.openFile('late.py');
  await code.goTo(10, 5);
  for (const typed of ['a', 'b', 'c']) {
    await code.type(typed);
    await until(async () => (await code.ghost()).includes('late'), 'it is lost', 5000);
    await code.page.keyboard.press('Escape');
    await code.ghostGone();
  }
});

test('a line is taken and the rest stays', async () => {
  const lines = ['sum(prices)', '    if text:', '        return text'];
  scripted({ insert: lines.join('\n'), exactMs: 0 });
  await code.openFile('rows.py');
  await code.goTo(9, 21);
  await code.page.keyboard.press('Enter');
  await code.type('x = ');
  await until(async () => (await code.ghost()).includes('return text'), 'the lines do not come');
  await code.page.keyboard.press('Alt+End');
  await until(async () => !(await code.ghost()).includes('sum'), 'nothing is taken');
  await code.screenshot('accepted a line');
  assert.match(await code.ghost(), /if text:\s+return text/);
  await told('midspan.acceptPartial');
  // The line break belongs to what is taken.
  assert.equal(
    await code.saved('rows.py'),
    CODE.replace('"total: "\n', '"total: "\n    x = sum(prices)\n\n'),
  );
});

/** In the page: after each frame, compare ghost texts with the line that they were made for. */
function watch(): void {
  const seen = { shown: 0, wrong: [] as string[] };
  Object.assign(window, { seen });
  const look = () => {
    for (const line of document.querySelectorAll('.view-line')) {
      const ghost = [...line.querySelectorAll('.ghost-text-decoration')];
      if (ghost.length === 0) continue;
      const shown = ghost.map((one) => one.textContent).join('');
      const whole = (line.textContent ?? '').replace(shown, '').replaceAll('\u00a0', ' ');
      const made = shown.replaceAll('\u00a0', ' ').replace(/^«|»$/g, '');
      seen.shown += 1;
      // VS Code itself carries ghost text along while the indentation of a blank line changes.
      if (made.trimStart() !== whole.trimStart()) seen.wrong.push(`«${made}» in «${whole}»`);
    }
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => requestAnimationFrame(look);
    port2.postMessage(0);
  };
  requestAnimationFrame(look);
}

test('no suggestion is ever shown in a text that it was not made for', async () => {
  scripted({ slowestMs: 400 });
  await code.openFile('versions.py');
  await code.goTo(9, 21);
  await code.page.keyboard.press('Enter');
  await code.page.evaluate(watch);
  const seen = () => code.page.evaluate(() => (window as unknown as { seen: Seen }).seen);
  for (let edit = 0; edit < 60; edit++) {
    const key = ['a', 'b', 'x', ' ', 'Backspace'][Math.floor(Math.random() * 5)] ?? 'a';
    await code.page.keyboard.press(key, { delay: 10 });
    // Some requests are overtaken, others are not.
    const pause = Math.random() < 0.4 ? 500 : 60;
    await new Promise((resolve) => setTimeout(resolve, pause * Math.random()));
  }
  await code.type('x');
  await code.ghostShown();
  await code.screenshot('made for this version');
  const { shown, wrong } = await seen();
  assert.ok(shown > 10, `${shown} frames with ghost text`);
  assert.deepEqual(wrong, []);
});

interface Seen {
  readonly shown: number;
  readonly wrong: readonly string[];
}
