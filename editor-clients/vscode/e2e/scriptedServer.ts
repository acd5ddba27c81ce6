// A Language Server that answers what a file tells it to, and writes down what it is told.
//
// `script.json` in the folder MIDSPAN_STATE holds a `Script`, read anew for each request; each message
// about next edits becomes a line of `events.jsonl` beside it.

import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import * as path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  createProtocolConnection,
  DidChangeTextDocumentNotification,
  DidCloseTextDocumentNotification,
  DidOpenTextDocumentNotification,
  ExecuteCommandRequest,
  ExitNotification,
  type InitializeResult,
  InlineCompletionRequest,
  ShutdownRequest,
  StreamMessageReader,
  StreamMessageWriter,
  TextDocumentSyncKind,
} from 'vscode-languageserver-protocol/node';
import { TextDocument } from 'vscode-languageserver-textdocument';
import type { NextEditParams } from '../src/nextEdit/protocol.ts';
import type { Script, ScriptedEdit } from './script.ts';

const folder = process.env['MIDSPAN_STATE'] ?? '.';
const connection = createProtocolConnection(
  new StreamMessageReader(process.stdin),
  new StreamMessageWriter(process.stdout),
);
const documents = new Map<string, TextDocument>();
let answered = 0;

function script(): Script {
  const file = path.join(folder, 'script.json');
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Script) : {};
}

function note(event: object): void {
  appendFileSync(path.join(folder, 'events.jsonl'), `${JSON.stringify(event)}\n`);
}

/** The edit of the script in the document as it is: it replaces the first place of its old text. */
function nextEdit(document: TextDocument, { old, text, label }: ScriptedEdit): object[] {
  const start = document.getText().indexOf(old);
  if (start < 0) return [];
  answered += 1;
  return [
    {
      id: `edit-${answered}`,
      textDocument: { uri: document.uri, version: document.version },
      range: { start: document.positionAt(start), end: document.positionAt(start + old.length) },
      newText: text,
      ...(label === undefined ? {} : { label }),
    },
  ];
}

connection.onRequest(
  'initialize',
  (): InitializeResult => ({
    capabilities: {
      textDocumentSync: { openClose: true, change: TextDocumentSyncKind.Incremental },
      inlineCompletionProvider: true,
      executeCommandProvider: { commands: ['midspan.accept', 'midspan.acceptPartial'] },
      experimental: { midspan: { nextEdit: true } },
    },
  }),
);
connection.onRequest(ShutdownRequest.type, () => undefined);
connection.onNotification(ExitNotification.type, () => process.exit(0));

connection.onNotification(DidOpenTextDocumentNotification.type, ({ textDocument }) => {
  const { uri, languageId, version, text } = textDocument;
  documents.set(uri, TextDocument.create(uri, languageId, version, text));
});
connection.onNotification(DidChangeTextDocumentNotification.type, (params) => {
  const { uri, version } = params.textDocument;
  const document = documents.get(uri);
  if (document !== undefined) TextDocument.update(document, params.contentChanges, version);
});
connection.onNotification(DidCloseTextDocumentNotification.type, ({ textDocument }) => {
  documents.delete(textDocument.uri);
});

connection.onRequest(InlineCompletionRequest.type, async ({ textDocument, position }) => {
  const { slowestMs, exactMs, insert } = script();
  const document = documents.get(textDocument.uri);
  const waitMs = exactMs ?? (slowestMs === undefined ? undefined : Math.random() * slowestMs);
  if (waitMs === undefined || document === undefined) return { items: [] };
  // The suggestion holds the line that it was made for; even if cancelled it is sent.
  const start = { line: position.line, character: 0 };
  const made = insert ?? `«${document.getText({ start, end: position })}»`;
  answered += 1;
  const command = { title: '', command: 'midspan.accept', arguments: [`item-${answered}`] };
  await sleep(waitMs);
  return { items: [{ insertText: made, range: { start: position, end: position }, command }] };
});
connection.onRequest(ExecuteCommandRequest.type, ({ command, arguments: given = [] }) => {
  note({ kind: command, given });
});

connection.onRequest('midspan/nextEdit', async (params: NextEditParams) => {
  note({ request: params.reason, version: params.textDocument.version });
  const { edits = {}, slowEditMs = 0 } = script();
  const document = documents.get(params.textDocument.uri);
  const edit = edits[params.reason];
  const answer = document && edit ? nextEdit(document, edit) : [];
  await sleep(slowEditMs);
  return { edits: answer };
});
connection.onNotification('midspan/nextEditEvent', (event: object) => note(event));

connection.listen();
