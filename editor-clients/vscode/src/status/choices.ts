// Choosing the model and the effort.

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import * as vscode from 'vscode';
import { modelsIn } from './models.ts';

const run = promisify(execFile);

export async function selectEffort(): Promise<void> {
  const settings = vscode.workspace.getConfiguration('midspan');
  const items = [
    { label: 'verified', detail: 'Exactly what the model would write token by token.' },
    { label: 'draft', detail: 'Fewer passes, worse text: decodes by the adapter alone.' },
  ];
  const title = `Effort (now: ${settings.get('effort')})`;
  const chosen = await vscode.window.showQuickPick(items, { title });
  if (chosen === undefined) return;
  await settings.update('effort', chosen.label, vscode.ConfigurationTarget.Global);
}

/** Choose among the models that `program` knows; the engine that runs is ended, to start with it. */
export async function selectModel(program: string, running: string): Promise<void> {
  const { stdout } = await run(program, ['models', '--json']);
  const items = modelsIn(stdout).map(({ name, isHere, about }) => ({
    label: name,
    description: name === running ? 'in use' : '',
    detail: isHere ? about : `${about}; not on this machine yet`,
    isHere,
  }));
  const chosen = await vscode.window.showQuickPick(items, { title: 'Model' });
  if (chosen === undefined) return;
  if (!chosen.isHere) {
    runInTerminal(program, ['pull', chosen.label]);
    return;
  }
  const settings = vscode.workspace.getConfiguration('midspan');
  await settings.update('model', chosen.label, vscode.ConfigurationTarget.Global);
  if (running !== '' && chosen.label !== running) await run(program, ['engine', '--stop']);
}

/** Run `program` where the user sees it. */
export function runInTerminal(program: string, args: string[]): void {
  const name = `Midspan: ${args[0]}`;
  const terminal = vscode.window.createTerminal({ name });
  terminal.show();
  terminal.sendText(
    [program, ...args].map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' '),
  );
}
