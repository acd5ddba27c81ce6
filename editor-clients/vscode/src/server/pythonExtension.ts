// The Python environment that is selected in the Python extension, if that is there.

import * as vscode from 'vscode';

interface PythonApi {
  readonly environments: {
    getActiveEnvironmentPath(resource?: vscode.Uri): { readonly path: string };
    resolveEnvironment(environment: {
      readonly path: string;
    }): Promise<{ readonly executable: { readonly uri?: vscode.Uri } } | undefined>;
    readonly onDidChangeActiveEnvironmentPath: vscode.Event<unknown>;
  };
}

async function api(): Promise<PythonApi | undefined> {
  const extension = vscode.extensions.getExtension<PythonApi>('ms-python.python');
  if (extension === undefined) return undefined;
  const exported = await extension.activate();
  return exported?.environments === undefined ? undefined : exported;
}

/** Return the path of the selected interpreter. */
export async function selectedInterpreter(): Promise<string | undefined> {
  const python = await api();
  if (python === undefined) return undefined;
  const folder = vscode.workspace.workspaceFolders?.[0]?.uri;
  const environment = python.environments.getActiveEnvironmentPath(folder);
  return (await python.environments.resolveEnvironment(environment))?.executable.uri?.fsPath;
}

/** Call `changed` when another environment is selected. */
export async function onDidSelectInterpreter(changed: () => void): Promise<vscode.Disposable> {
  const python = await api();
  return (
    python?.environments.onDidChangeActiveEnvironmentPath(changed) ??
    new vscode.Disposable(() => undefined)
  );
}
