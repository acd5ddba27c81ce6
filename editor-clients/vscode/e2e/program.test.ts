// Where the program comes from: nowhere, and out of the environment that the Python extension selects.

import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import * as path from 'node:path';
import { afterEach, test } from 'node:test';
import { scriptedProgram, temporaryFolder } from './programs.ts';
import { until, VsCode } from './vscode.ts';

let code: VsCode | undefined;

afterEach(async () => {
  await code?.stop();
  code = undefined;
});

test('a missing program is told, with what to do about it', async () => {
  code = await VsCode.start({
    files: { 'a.py': 'x = 1\n' },
    settings: { 'midspan.server.path': '/nowhere/midspan' },
  });
  await code.statusIs(/was not found/);
  const told = code.page.locator('.notification-list-item', { hasText: 'was not found' });
  await told.first().waitFor();
  await told.getByText('Choose the Program').first().waitFor();
  await code.screenshot('program missing');
});

/** The part of the Python extension that we look at; the command selects another environment. */
const PYTHON = `
const vscode = require('vscode');
exports.activate = (context) => {
  const { environments } = JSON.parse(require('fs').readFileSync(__dirname + '/paths.json'));
  const changed = new vscode.EventEmitter();
  let selected = 0;
  context.subscriptions.push(vscode.commands.registerCommand('stub.select', () => {
    selected = 1;
    changed.fire({ path: environments[selected] });
  }));
  return { environments: {
    getActiveEnvironmentPath: () => ({ path: environments[selected] }),
    resolveEnvironment: async ({ path }) => ({ executable: { uri: vscode.Uri.file(path) } }),
    onDidChangeActiveEnvironmentPath: changed.event,
  } };
};
`;

const MANIFEST = {
  name: 'python',
  publisher: 'ms-python',
  version: '2026.1.0',
  engines: { vscode: '^1.91.0' },
  main: './extension.js',
  contributes: { commands: [{ command: 'stub.select', title: 'Select the Other Environment' }] },
};

test('the program of the selected Python environment is taken, of one selected later too', async () => {
  const folder = temporaryFolder('midspan-environments-');
  const environments = ['empty', 'full'].map((name) => path.join(folder, name, 'bin', 'python'));
  for (const python of environments) {
    mkdirSync(path.dirname(python), { recursive: true });
    writeFileSync(python, '');
  }
  renameSync(scriptedProgram(), path.join(folder, 'full', 'bin', 'midspan'));
  const files = {
    'package.json': JSON.stringify(MANIFEST),
    'extension.js': PYTHON,
    'paths.json': JSON.stringify({ environments }),
  };
  code = await VsCode.start({
    files: { 'a.py': 'x = 1\n' },
    settings: {},
    extensions: { 'ms-python.python-2026.1.0': files },
    isAlone: true,
  });
  await code.statusIs(/was not found/);
  await code.run('Select the Other Environment');
  await code.statusIs(/ready/i);
  await until(() => code?.processes('scriptedServer').length === 1, 'the program does not run');
});
