// The extension with the real server, engine and model behind it.

import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import * as path from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import { MIDSPAN, until, VsCode } from './vscode.ts';

const CODE = `def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def variance(values: list[float]) -> float:
    center = mean(values)
    return sum((value - center) ** 2 for value in values) / len(values)


`;

const NOTEBOOK = {
  cells: [CODE, '# here'].map((source, index) => ({
    cell_type: 'code',
    id: `cell-${index}`,
    metadata: {},
    source,
    outputs: [],
    execution_count: null,
  })),
  metadata: { language_info: { name: 'python' } },
  nbformat: 4,
  nbformat_minor: 5,
};

let code: VsCode;

before(async () => {
  const names = ['see', 'word', 'dismiss', 'off', 'engine', 'server'];
  const files = Object.fromEntries(names.map((name) => [`${name}.py`, CODE]));
  code = await VsCode.start({
    files: { ...files, 'cells.ipynb': JSON.stringify(NOTEBOOK) },
    // Whatever the model says is shown: these tests are about the editor.
    settings: {
      'midspan.server.path': MIDSPAN,
      'midspan.threshold': 0,
      'midspan.budgetMs': 20_000,
      // Each test sees the same.
      'midspan.context.snippets': false,
      'midspan.context.recentEdits': false,
    },
  });
});

after(() => code?.stop());

afterEach(async (context) => {
  if (!('passed' in context) || context.passed) return;
  await code?.screenshot(`failed ${context.name}`);
  console.error(code?.log());
});

/** Open a file and type until there is ghost text. */
async function typed(name: string): Promise<string> {
  await code.openFile(name);
  await code.goTo(10, 1);
  await code.type('def deviation(values: list[float]) -> float:\n');
  await code.type('return var');
  return code.ghostShown();
}

function lastLine(text: string): string {
  return text.trimEnd().split('\n').at(-1)?.trim() ?? '';
}

function outcomes(): string[] {
  const file = path.join(code.root, 'state/counters.jsonl');
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, 'utf8').trim().split('\n');
  return lines.map((line) => (JSON.parse(line) as { outcome: string }).outcome);
}

test('ghost text appears and Tab takes it', async () => {
  const ghost = await typed('see.py');
  await code.screenshot('ghost text');
  await code.page.keyboard.press('Tab');
  await code.ghostGone();
  const first = ghost.split('\n')[0] ?? '';
  assert.ok((await code.saved('see.py')).includes(`return var${first}`));
  await until(() => outcomes().includes('accepted'), 'the accept is not counted');
});

test('a word is taken and the rest stays', async () => {
  const ghost = await typed('word.py');
  await code.page.keyboard.press('Control+ArrowRight');
  await until(async () => (await code.ghost()).length < ghost.length, 'nothing is taken');
  const rest = await code.ghost();
  await code.screenshot('accepted a word');
  const line = lastLine(await code.saved('word.py'));
  assert.ok(line.length > 'return var'.length, line);
  assert.ok(`return var${ghost}`.startsWith(line.slice(0, -1)), line);
  assert.ok(ghost.includes(rest), `${rest} is not of ${ghost}`);
  await until(() => outcomes().includes('partly_accepted'), 'the part is not counted');
});

test('Esc sends the ghost text away and changes nothing', async () => {
  await typed('dismiss.py');
  await code.page.keyboard.press('Escape');
  await code.ghostGone();
  assert.equal(lastLine(await code.saved('dismiss.py')), 'return var');
});

test('switched off in the menu there is silence, switched on there are suggestions', async () => {
  await typed('off.py');
  await code.page.locator('.statusbar-item[id*="midspan"]').click();
  await code.page.locator('.quick-input-list .monaco-list-row', { hasText: 'Snooze' }).waitFor();
  await code.screenshot('menu');
  await code.page.keyboard.type('Turn Off for python');
  await code.page.keyboard.press('Enter');
  await code.statusIs(/off for python/i);
  await code.page.locator('.monaco-editor .view-line').last().click();
  await code.run('Midspan: Suggest Here');
  await code.type('i');
  await assert.rejects(
    until(async () => (await code.ghost()) !== '', 'silence', 2000),
    /silence/,
  );
  await code.screenshot('switched off');
  await code.run('Midspan: Turn On or Off for This Language');
  await code.statusIs(/ready/i);
  await code.type('a');
  await code.ghostShown();
});

test('a killed engine is started again and costs one suggestion', async () => {
  await typed('engine.py');
  const killed = code.processes('midspan_engine');
  assert.equal(killed.length, 1);
  for (const pid of killed) process.kill(pid, 'SIGKILL');
  await code.type('iance(values) + var');
  await code.ghostShown();
  await code.screenshot('after the engine was killed');
  assert.notDeepEqual(code.processes('midspan_engine'), killed);
});

test('a killed server is started again and the user is told once', async () => {
  await typed('server.py');
  let killed: number[] = [];
  for (const screenshot of ['server killed', 'server killed again']) {
    const running = () => code.processes('midspan lsp').filter((pid) => !killed.includes(pid));
    await until(() => running().length === 1, 'there is no new server');
    killed = running();
    for (const pid of killed) process.kill(pid, 'SIGKILL');
    await code.page.getByText('Midspan has stopped unexpectedly').first().waitFor();
    await code.screenshot(screenshot);
    await code.statusIs(/ready/i);
  }
  await code.page.locator('.monaco-editor .view-line').last().click();
  await code.page.keyboard.press('Control+End');
  await code.type('i');
  await code.ghostShown();
  const told = code.page.locator('.notification-list-item', { hasText: 'stopped unexpectedly' });
  assert.equal(await told.count(), 1);
});

// The last one: hidden cells stay in the page.
test('in a cell of a notebook there is ghost text too', async () => {
  await code.openEditor('cells.ipynb', '.notebookOverlay .cell');
  await code.page.locator('.notebookOverlay .view-line', { hasText: '# here' }).click();
  await code.page.keyboard.press('Control+End');
  await code.page.keyboard.press('Enter');
  await code.type('def deviation(values: list[float]) -> float:\n');
  await code.type('return var');
  const ghost = await code.ghostShown();
  await code.screenshot('notebook');
  await code.page.keyboard.press('Tab');
  await code.ghostGone();
  const saved = JSON.parse(await code.saved('cells.ipynb')) as typeof NOTEBOOK;
  const written = [saved.cells[1]?.source ?? ''].flat().join('');
  assert.ok(written.includes(`return var${ghost.split('\n')[0]}`), written);
});
