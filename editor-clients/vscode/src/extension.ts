// Puts the parts together when VS Code loads the extension.

import * as vscode from 'vscode';
import type { LanguageClient } from 'vscode-languageclient/node';
import { InlineSuggestions } from './inline/middleware.ts';
import { NextEdits } from './nextEdit/feature.ts';
import {
  NEXT_EDIT,
  NEXT_EDIT_EVENT,
  NEXT_EDITS,
  type NextEditResult,
  promisesNextEdits,
} from './nextEdit/protocol.ts';
import { offerInstallation } from './server/installation.ts';
import { onDidSelectInterpreter } from './server/pythonExtension.ts';
import { Supervisor } from './server/supervisor.ts';
import { isEnabled, isLanguageOn, toggle, toggleLanguage, toggleWorkspace } from './settings.ts';
import { StatusBar } from './status/bar.ts';
import { runInTerminal, selectEffort, selectModel } from './status/choices.ts';
import { showMenu } from './status/menu.ts';
import { Snooze } from './status/snooze.ts';
import type { ServerStatus } from './status/view.ts';

let running: Extension | undefined;

export async function activate(context: vscode.ExtensionContext): Promise<void> {
  running = new Extension(context);
  await running.start();
}

export async function deactivate(): Promise<void> {
  await running?.supervisor.stop();
}

class Extension {
  readonly supervisor: Supervisor;
  private readonly context: vscode.ExtensionContext;
  private readonly output = vscode.window.createOutputChannel('Midspan', { log: true });
  private readonly snooze = new Snooze();
  private readonly bar: StatusBar;
  private nextEdits: NextEdits | undefined;

  constructor(context: vscode.ExtensionContext) {
    this.context = context;
    const inline = new InlineSuggestions({
      isSilent: (document) => this.isSilent(document),
      isTaken: (document, position) => this.nextEdits?.ghostAt(document, position) !== undefined,
      thinking: (change) => this.bar.thinking(change),
      taken: ({ id, length }) => this.run('midspan.acceptPartial', [id, length]),
    });
    this.supervisor = new Supervisor({
      output: this.output,
      inline: inline.middleware,
      attach: (client) =>
        client.onNotification('midspan/status', (status: ServerStatus) => this.bar.told(status)),
      started: (client) => this.withNextEdits(client),
    });
    this.bar = new StatusBar(this.supervisor, this.snooze);
    const parts = [inline, this.supervisor, this.bar, this.snooze, this.output];
    context.subscriptions.push(...parts, ...this.commands(), ...this.nextEditCommands());
  }

  async start(): Promise<void> {
    const { subscriptions } = this.context;
    subscriptions.push(
      this.snooze.onDidChange(() => this.nextEdits?.refresh()),
      vscode.workspace.onDidChangeConfiguration((event) => this.configured(event)),
      vscode.workspace.onDidGrantWorkspaceTrust(() => void this.lookAgain()),
    );
    await this.supervisor.start();
    if (this.supervisor.phase === 'missing') void this.offerInstallation();
    subscriptions.push(await onDidSelectInterpreter(() => void this.lookAgain()));
  }

  private isSilent(document: vscode.TextDocument): boolean {
    return !isEnabled() || this.snooze.until !== undefined || !isLanguageOn(document.languageId);
  }

  private configured(event: vscode.ConfigurationChangeEvent): void {
    if (event.affectsConfiguration('midspan.server.path')) void this.supervisor.restart();
    if (event.affectsConfiguration('midspan.nextEdit.enabled')) {
      this.nextEdits?.dispose();
      const { client } = this.supervisor;
      if (client !== undefined) this.withNextEdits(client);
    }
    this.nextEdits?.refresh();
  }

  /** Start the server where there was none before. */
  private async lookAgain(): Promise<void> {
    if (this.supervisor.phase === 'missing') await this.supervisor.restart();
  }

  private withNextEdits(client: LanguageClient): vscode.Disposable {
    const isWanted = vscode.workspace.getConfiguration('midspan').get('nextEdit.enabled', true);
    const { experimental } = client.initializeResult?.capabilities ?? {};
    if (!isWanted || !promisesNextEdits(experimental))
      return new vscode.Disposable(() => undefined);
    const server = {
      ask: (params: object, token: vscode.CancellationToken) =>
        client.sendRequest<NextEditResult | null>(NEXT_EDIT, params, token).catch((error) => {
          if (!token.isCancellationRequested) this.output.warn(`no next edit: ${String(error)}`);
          return null;
        }),
      tell: (id: string, kind: string) => {
        if (client.isRunning()) void client.sendNotification(NEXT_EDIT_EVENT, { id, kind });
      },
    };
    const edits = new NextEdits(server, this.context.extensionPath, (one) => this.isSilent(one));
    this.nextEdits = edits;
    const pushed = client.onNotification(NEXT_EDITS, (given: NextEditResult) =>
      edits.receive(given.edits),
    );
    return vscode.Disposable.from(pushed, edits, { dispose: () => this.forget(edits) });
  }

  private forget(edits: NextEdits): void {
    if (this.nextEdits === edits) this.nextEdits = undefined;
  }

  private commands(): vscode.Disposable[] {
    const { executeCommand, registerCommand } = vscode.commands;
    const commands: Record<string, () => unknown> = {
      suggest: () => executeCommand('editor.action.inlineSuggest.trigger'),
      menu: () => showMenu(this.supervisor, this.snooze),
      toggle,
      toggleLanguage,
      toggleWorkspace,
      snooze: () => this.snooze.choose(),
      selectModel: () => this.withProgram((program) => selectModel(program, this.bar.model)),
      selectEffort,
      doctor: () => this.withProgram((program) => runInTerminal(program, ['doctor'])),
      showLog: () => this.output.show(),
      restart: () => this.supervisor.restart(),
      install: () => this.offerInstallation(),
    };
    return Object.entries(commands).map(([name, run]) => registerCommand(`midspan.${name}`, run));
  }

  private nextEditCommands(): vscode.Disposable[] {
    const commands: Record<string, () => unknown> = {
      suggest: () => this.nextEdits?.ask('manual'),
      jump: () => this.nextEdits?.jump(),
      accept: () => this.nextEdits?.accept(),
      jumpOrAccept: () => this.nextEdits?.jumpOrAccept(),
      dismiss: () => this.nextEdits?.dismiss(),
    };
    return Object.entries(commands).map(([name, run]) =>
      vscode.commands.registerCommand(`midspan.nextEdit.${name}`, run),
    );
  }

  private async withProgram(use: (program: string) => unknown): Promise<void> {
    const { program } = this.supervisor;
    if (program === undefined) return this.offerInstallation();
    try {
      await use(program);
    } catch (error) {
      this.output.error(String(error));
      void vscode.window.showErrorMessage(`Midspan: ${String(error)}`);
    }
  }

  private async offerInstallation(): Promise<void> {
    const problem = 'The program midspan was not found.';
    const again = () => void this.lookAgain();
    await offerInstallation(this.context.extensionPath, problem, again);
  }

  /** Run a command of the server's, whose answer nobody waits for. */
  private run(command: string, given: readonly unknown[]): void {
    const { client } = this.supervisor;
    if (client === undefined) return;
    client.sendRequest('workspace/executeCommand', { command, arguments: given }).catch((error) => {
      this.output.debug(`${command}: ${String(error)}`);
    });
  }
}
