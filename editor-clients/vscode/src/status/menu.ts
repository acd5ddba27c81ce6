// The menu of the entry in the status bar.

import * as vscode from 'vscode';
import type { Supervisor } from '../server/supervisor.ts';
import { isEnabled, isLanguageOn } from '../settings.ts';
import type { Snooze } from './snooze.ts';

interface Entry extends vscode.QuickPickItem {
  readonly command?: string;
}

/** Show the menu and run what is chosen. */
export async function showMenu(supervisor: Supervisor, snooze: Snooze): Promise<void> {
  const chosen = await vscode.window.showQuickPick(entries(supervisor, snooze), {
    title: 'Midspan',
    placeHolder: 'What to do',
  });
  if (chosen?.command !== undefined) await vscode.commands.executeCommand(chosen.command);
}

function entries(supervisor: Supervisor, snooze: Snooze): Entry[] {
  const language = vscode.window.activeTextEditor?.document.languageId;
  const settings = vscode.workspace.getConfiguration('midspan');
  const model = settings.get('model', '') || 'standard';
  const separator: Entry = { label: '', kind: vscode.QuickPickItemKind.Separator };
  const action = (icon: string, label: string, command: string, description = ''): Entry => ({
    label: `$(${icon}) ${label}`,
    command: `midspan.${command}`,
    description,
  });
  const power = (isOn: boolean) => (isOn ? 'Turn Off' : 'Turn On');
  const snoozing = snooze.until === undefined ? 'Snooze…' : 'End Snoozing';
  return [
    ...(supervisor.phase === 'missing' ? [action('cloud-download', 'Install…', 'install')] : []),
    action('circle-slash', power(isEnabled()), 'toggle'),
    action('root-folder', `${power(isEnabled())} for This Workspace`, 'toggleWorkspace'),
    ...(language === undefined
      ? []
      : [action('code', `${power(isLanguageOn(language))} for ${language}`, 'toggleLanguage')]),
    action('bell-slash', snoozing, 'snooze'),
    separator,
    action('package', 'Model…', 'selectModel', model),
    action('dashboard', 'Effort…', 'selectEffort', settings.get('effort', 'verified')),
    separator,
    action('pulse', 'Run Doctor', 'doctor'),
    action('output', 'Show Log', 'showLog'),
    action('debug-restart', 'Restart Server', 'restart'),
  ];
}
