// The switches that the user sets by commands.

import * as vscode from 'vscode';

function settings(): vscode.WorkspaceConfiguration {
  return vscode.workspace.getConfiguration('midspan');
}

export function isEnabled(): boolean {
  return settings().get('enabled', true);
}

export function isLanguageOn(language: string): boolean {
  const languages = settings().get<Record<string, boolean>>('languages', {});
  return languages[language] ?? languages['*'] ?? true;
}

/** Turn everything on or off, for the user. */
export async function toggle(): Promise<void> {
  await settings().update('enabled', !isEnabled(), vscode.ConfigurationTarget.Global);
}

/** Turn this workspace on or off. */
export async function toggleWorkspace(): Promise<void> {
  if (vscode.workspace.workspaceFolders === undefined) return toggle();
  await settings().update('enabled', !isEnabled(), vscode.ConfigurationTarget.Workspace);
}

/** Turn the language of the active editor on or off, for the user. */
export async function toggleLanguage(): Promise<void> {
  const language = vscode.window.activeTextEditor?.document.languageId;
  if (language === undefined) return;
  const known = settings().inspect<Record<string, boolean>>('languages')?.globalValue ?? {};
  const languages = { ...known, [language]: !isLanguageOn(language) };
  await settings().update('languages', languages, vscode.ConfigurationTarget.Global);
}
