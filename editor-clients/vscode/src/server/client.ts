// The language client: what it starts, tells of itself and leaves to us.

import type { Readable } from 'node:stream';
import * as vscode from 'vscode';
import {
  CloseAction,
  DidChangeConfigurationNotification,
  ErrorAction,
  LanguageClient,
  type LanguageClientOptions,
  type Middleware,
  RevealOutputChannelOn,
  type StaticFeature,
} from 'vscode-languageclient/node';
import { serverOptions } from './options.ts';

export interface ClientParts {
  readonly program: string;
  readonly output: vscode.LogOutputChannel;
  readonly inline: Pick<Middleware, 'provideInlineCompletionItems'>;
  /** Called when the process has gone without being asked to. */
  readonly closed: () => void;
}

/** Return a client that is not started yet; it lives for one run of the server. */
export function createClient(parts: ClientParts): LanguageClient {
  const { program, output } = parts;
  const client: LanguageClient = new LanguageClient(
    'midspan',
    'Midspan',
    { command: program, args: ['lsp'] },
    clientOptions(parts, () => client),
  );
  client.registerFeature(TELLS_OF_ITSELF);
  output.info(`starting ${program} lsp`);
  return client;
}

/** The settings in the form of the server, as they are now. */
function options(program: string): unknown {
  const settings = vscode.workspace.getConfiguration('midspan');
  return serverOptions((key) => settings.get(key), program);
}

function clientOptions(parts: ClientParts, client: () => LanguageClient): LanguageClientOptions {
  const { program, output } = parts;
  return {
    documentSelector: [{ scheme: 'file' }, { scheme: 'untitled' }, { notebook: '*' }],
    outputChannel: output,
    revealOutputChannelOn: RevealOutputChannelOn.Never,
    // Only this: what is configured comes by a request of the server's and replaces it as a whole.
    initializationOptions: { statusNotifications: true },
    initializationFailedHandler: () => false,
    synchronize: { configurationSection: 'midspan' },
    stdioOptions: { stdout: () => undefined, stderr: toLog },
    errorHandler: {
      error: () => ({ action: ErrorAction.Continue, handled: true }),
      closed: () => {
        parts.closed();
        return { action: CloseAction.DoNotRestart, handled: true };
      },
    },
    middleware: {
      ...parts.inline,
      workspace: {
        configuration: ({ items }) =>
          items.map(({ section }) => (section === 'midspan' ? options(program) : null)) as never,
        didChangeConfiguration: () =>
          client().sendNotification(DidChangeConfigurationNotification.type, {
            settings: { midspan: options(program) },
          }),
      },
    },
  };
}

/** The server logs to its error output, whatever the level. */
function toLog(input: Readable, output: vscode.LogOutputChannel): void {
  let rest = '';
  input.setEncoding('utf8');
  input.on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) output.info(line.trimEnd());
  });
}

const TELLS_OF_ITSELF: StaticFeature = {
  fillClientCapabilities: (capabilities) => {
    capabilities.experimental = { ...capabilities.experimental, midspanStatus: true };
    // The entry in the status bar says it already.
    capabilities.window = { ...capabilities.window, workDoneProgress: false };
  },
  initialize: () => undefined,
  getState: () => ({ kind: 'static' }),
  clear: () => undefined,
};
