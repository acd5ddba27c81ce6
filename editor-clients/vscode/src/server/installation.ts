// Offers to install the program, and shows the command before anything happens.

import { readdir } from 'node:fs/promises';
import * as os from 'node:os';
import * as path from 'node:path';
import * as vscode from 'vscode';
import { installCommand } from './installCommand.ts';
import { ownEnvironment } from './locate.ts';

const RUN = 'Run in Terminal';
const COPY = 'Copy Command';
const SET = 'Choose the Program…';

/** Ask what to do; `again` is called when the program may be there. */
export async function offerInstallation(
  extensionPath: string,
  problem: string,
  again: () => void,
): Promise<void> {
  const wheel = await bundledWheel(extensionPath);
  const command = wheel && installCommand(ownEnvironment(os.homedir()), wheel);
  const detail = command
    ? `It can be installed with: ${command}`
    : "Install it as Midspan's README says, or say where it is.";
  const answers = command ? [RUN, COPY, SET] : [SET];
  const answer = await vscode.window.showWarningMessage(`${problem} ${detail}`, ...answers);
  if (answer === SET) await choose();
  if (answer === COPY && command) await vscode.env.clipboard.writeText(command);
  if (answer === RUN && command) runInTerminal(command, again);
}

function runInTerminal(command: string, again: () => void): void {
  const terminal = vscode.window.createTerminal({ name: 'Midspan' });
  terminal.show();
  // The terminal closes when all went well, and stays with its message otherwise.
  terminal.sendText(`${command} && exit`);
  const closed = vscode.window.onDidCloseTerminal((one) => {
    if (one !== terminal) return;
    closed.dispose();
    again();
  });
}

async function choose(): Promise<void> {
  const chosen = await vscode.window.showOpenDialog({
    title: 'The program midspan',
    openLabel: 'Use',
    canSelectMany: false,
  });
  if (chosen?.[0] === undefined) return;
  const settings = vscode.workspace.getConfiguration('midspan');
  await settings.update('server.path', chosen[0].fsPath, vscode.ConfigurationTarget.Global);
}

/** The package that came with the extension. */
async function bundledWheel(extensionPath: string): Promise<string | undefined> {
  const folder = path.join(extensionPath, 'server');
  try {
    const wheel = (await readdir(folder)).find((name) => name.endsWith('.whl'));
    return wheel && path.join(folder, wheel);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
