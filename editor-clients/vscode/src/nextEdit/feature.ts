// Next edits: asked for, kept up to date, shown, gone to, taken or sent away.

import * as vscode from 'vscode';
import { Decorations } from './decorations.ts';
import { asGhost, type LineEdit } from './ghost.ts';
import { preview } from './preview.ts';
import type { EventKind, NextEdit, NextEditParams, NextEditResult, Reason } from './protocol.ts';
import { Queue, type Text, type Waiting } from './queue.ts';
import { isThere, meaningOfTab, type Tab } from './tab.ts';

export interface NextEditServer {
  ask(params: NextEditParams, token: vscode.CancellationToken): Promise<NextEditResult | null>;
  tell(id: string, kind: EventKind): void;
}

const CONTEXT = 'midspan.nextEdit';

export class NextEdits implements vscode.Disposable {
  private readonly server: NextEditServer;
  private readonly isSilent: (document: vscode.TextDocument) => boolean;
  private readonly queue: Queue;
  private readonly decorations: Decorations;
  private readonly subscriptions: vscode.Disposable[];
  private readonly contexts = new Map<string, unknown>();
  private asking: vscode.CancellationTokenSource | undefined;
  private seen = '';
  private jumped = '';
  /** The edit that VS Code draws as ghost text, and the one it no longer does. */
  private ghost = '';
  private noGhost = '';
  /** The version that the last move of the cursor was in. */
  private movedIn = 0;
  private readonly savedByHand = new WeakSet<vscode.TextDocument>();

  constructor(
    server: NextEditServer,
    extensionPath: string,
    isSilent: (document: vscode.TextDocument) => boolean,
  ) {
    this.server = server;
    this.isSilent = isSilent;
    this.queue = new Queue((id, kind) => server.tell(id, kind));
    this.decorations = new Decorations(extensionPath);
    this.subscriptions = this.listeners();
    this.setContext('available', true);
    this.follow(vscode.window.activeTextEditor?.document);
  }

  /** Ask the server about the place of the cursor; the answer replaces what is shown. */
  async ask(reason: Reason): Promise<void> {
    const editor = vscode.window.activeTextEditor;
    if (editor === undefined || this.isSilent(editor.document)) return;
    const { document } = editor;
    this.follow(document);
    this.asking?.cancel();
    const asking = new vscode.CancellationTokenSource();
    this.asking = asking;
    const params = {
      textDocument: { uri: document.uri.toString(), version: document.version },
      position: editor.selection.active,
      reason,
    };
    const answer = await this.server.ask(params, asking.token);
    if (!asking.token.isCancellationRequested) this.receive(answer?.edits ?? []);
  }

  /** Show `edits` in place of what is shown. */
  receive(edits: readonly NextEdit[]): void {
    for (const { uri } of edits.map((one) => one.textDocument)) {
      this.follow(vscode.workspace.textDocuments.find((one) => one.uri.toString() === uri));
    }
    this.queue.replace(edits);
    this.draw();
  }

  /** Go to the edit, in another document too. */
  async jump(): Promise<void> {
    const head = this.queue.head;
    if (head === undefined) return;
    const editor = await vscode.window.showTextDocument(vscode.Uri.parse(head.uri));
    const place = editor.document.positionAt(head.edit.start);
    this.jumped = head.id;
    // VS Code hides ghost text when the cursor is put somewhere.
    this.noGhost = head.id;
    editor.selection = new vscode.Selection(place, place);
    editor.revealRange(editor.selection, vscode.TextEditorRevealType.InCenterIfOutsideViewport);
    this.server.tell(head.id, 'jumped');
    this.draw();
  }

  /** Take the edit and ask for the one after it. */
  async accept(): Promise<void> {
    const editor = vscode.window.activeTextEditor;
    const head = this.queue.head;
    if (editor === undefined || head?.uri !== editor.document.uri.toString()) return;
    this.queue.shift();
    const { document } = editor;
    const { start, end, text } = head.edit;
    const range = new vscode.Range(document.positionAt(start), document.positionAt(end));
    const isDone = await editor.edit((edit) => edit.replace(range, text));
    this.server.tell(head.id, isDone ? 'accepted' : 'stale');
    if (isDone) {
      const place = document.positionAt(start + text.length);
      editor.selection = new vscode.Selection(place, place);
      editor.revealRange(editor.selection);
    }
    this.draw();
    await this.ask('accepted');
  }

  async jumpOrAccept(): Promise<void> {
    const editor = vscode.window.activeTextEditor;
    const head = this.queue.head;
    if (editor === undefined || head === undefined) return;
    const isHere = head.uri === editor.document.uri.toString();
    const isAt = isHere && isThere(caretOf(editor), linesOf(editor.document, head));
    await (isAt ? this.accept() : this.jump());
  }

  /** Send away all that wait. */
  async dismiss(): Promise<void> {
    const head = this.queue.head;
    if (head !== undefined) this.server.tell(head.id, 'dismissed');
    if (this.ghost !== '') await vscode.commands.executeCommand('editor.action.inlineSuggest.hide');
    this.asking?.cancel();
    this.queue.clear();
    this.draw();
  }

  /** The edit as VS Code's ghost text at `position`, where it can be that. */
  ghostAt(document: vscode.TextDocument, position: vscode.Position): LineEdit | undefined {
    const head = this.queue.head;
    if (head === undefined || head.id === this.noGhost) return undefined;
    if (head.uri !== document.uri.toString() || this.isSilent(document)) return undefined;
    const start = document.positionAt(head.edit.start);
    const end = document.positionAt(head.edit.end);
    if (start.line !== position.line || end.line !== position.line) return undefined;
    const edit = { start: start.character, end: end.character, text: head.edit.text };
    return asGhost(document.lineAt(position.line).text, position.character, edit);
  }

  /** Show or hide, after the settings have changed. */
  refresh(): void {
    const editor = vscode.window.activeTextEditor;
    if (editor !== undefined && this.isSilent(editor.document)) this.queue.clear();
    this.draw();
  }

  dispose(): void {
    this.asking?.cancel();
    this.queue.clear();
    this.draw();
    this.setContext('available', false);
    for (const one of [...this.subscriptions, this.decorations]) one.dispose();
  }

  private listeners(): vscode.Disposable[] {
    const { window, workspace } = vscode;
    return [
      workspace.onDidChangeTextDocument((event) => this.changed(event)),
      workspace.onDidCloseTextDocument((document) => this.queue.forget(document.uri.toString())),
      workspace.onWillSaveTextDocument(({ document, reason }) => {
        if (reason === vscode.TextDocumentSaveReason.Manual) this.savedByHand.add(document);
      }),
      workspace.onDidSaveTextDocument((document) => this.saved(document)),
      window.onDidChangeTextEditorSelection((event) => this.moved(event.textEditor)),
      window.onDidChangeActiveTextEditor((editor) => this.went(editor)),
      vscode.languages.registerInlineCompletionItemProvider(
        { pattern: '**' },
        {
          provideInlineCompletionItems: (document, position) => {
            const ghost = this.ghostAt(document, position);
            if (ghost === undefined) return [];
            const { line } = position;
            const range = new vscode.Range(line, ghost.start, line, ghost.end);
            return [new vscode.InlineCompletionItem(ghost.text, range)];
          },
        },
      ),
    ];
  }

  private follow(document: vscode.TextDocument | undefined): void {
    if (document !== undefined) this.queue.follow(textOf(document));
  }

  private changed({ document, contentChanges }: vscode.TextDocumentChangeEvent): void {
    if (contentChanges.length === 0 || !this.queue.follows(document.uri.toString())) return;
    const changes = contentChanges.map(({ rangeOffset, rangeLength, text }) => ({
      start: rangeOffset,
      end: rangeOffset + rangeLength,
      text,
    }));
    const isDone = this.queue.changed(textOf(document), changes);
    this.draw();
    if (isDone) void this.ask('accepted');
  }

  /** Who goes elsewhere is not called back: Tab has its own meaning there. */
  private went(editor: vscode.TextEditor | undefined): void {
    this.follow(editor?.document);
    const head = this.queue.head;
    if (editor !== undefined && head !== undefined && head.uri !== editor.document.uri.toString()) {
      this.server.tell(head.id, 'stale');
      this.queue.clear();
    }
    this.draw();
  }

  private saved(document: vscode.TextDocument): void {
    const isWanted = vscode.workspace.getConfiguration(CONTEXT, document).get('onSave', true);
    const byHand = this.savedByHand.delete(document);
    if (isWanted && byHand && vscode.window.activeTextEditor?.document === document) {
      void this.ask('save');
    }
  }

  private moved(editor: vscode.TextEditor): void {
    if (editor !== vscode.window.activeTextEditor || this.queue.head === undefined) return;
    // Without typing VS Code hides its ghost text; then the edit is drawn here.
    const isTyping = this.movedIn !== editor.document.version;
    this.movedIn = editor.document.version;
    if (this.ghost !== '' && !isTyping) this.noGhost = this.ghost;
    this.draw();
  }

  private draw(): void {
    const editor = vscode.window.activeTextEditor;
    const head = this.queue.head;
    if (editor === undefined || head === undefined) {
      this.decorations.clear();
      this.ghost = '';
      this.tabMeans('none', false);
      return;
    }
    const { document } = editor;
    if (head.id !== this.seen) {
      this.seen = head.id;
      this.server.tell(head.id, 'shown');
    }
    if (head.uri !== document.uri.toString()) this.drawElsewhere(editor, head);
    else if (this.ghostAt(document, editor.selection.active)) this.drawGhost(editor, head);
    else this.drawHere(editor, head);
  }

  private drawGhost(editor: vscode.TextEditor, head: Waiting): void {
    this.decorations.mark(editor, editor.selection.active.line);
    this.tabMeans('none', true);
    if (this.ghost === head.id) return;
    this.ghost = head.id;
    this.movedIn = editor.document.version;
    void vscode.commands.executeCommand('editor.action.inlineSuggest.trigger');
  }

  private drawHere(editor: vscode.TextEditor, head: Waiting): void {
    this.ghost = '';
    const lines = linesOf(editor.document, head);
    const caret = caretOf(editor);
    if (!isThere(caret, lines)) this.jumped = '';
    const tab = meaningOfTab(caret, lines, this.jumped === head.id);
    this.tabMeans(tab, true);
    const shown = preview(editor.document.getText(), head.edit);
    this.decorations.draw(editor, {
      preview: shown,
      hint: { line: caret.line, text: hintOf(tab, caret.line, lines.first, head.label) },
    });
  }

  private drawElsewhere(editor: vscode.TextEditor, head: Waiting): void {
    this.ghost = '';
    const caret = caretOf(editor);
    const tab = meaningOfTab(caret, { first: -1, last: -1 }, false);
    this.tabMeans(tab, true);
    const name = vscode.workspace.asRelativePath(vscode.Uri.parse(head.uri));
    this.decorations.point(editor, caret.line, `${keyOf(tab)} next edit in ${name}`);
  }

  private tabMeans(tab: Tab, isVisible: boolean): void {
    this.setContext('tab', tab);
    this.setContext('visible', isVisible);
  }

  private setContext(name: string, value: unknown): void {
    if (this.contexts.get(name) === value) return;
    this.contexts.set(name, value);
    void vscode.commands.executeCommand('setContext', `${CONTEXT}.${name}`, value);
  }
}

function textOf(document: vscode.TextDocument): Text {
  return {
    uri: document.uri.toString(),
    version: document.version,
    text: document.getText(),
  };
}

function caretOf(editor: vscode.TextEditor): { line: number; before: string } {
  const { line, character } = editor.selection.active;
  return { line, before: editor.document.lineAt(line).text.slice(0, character) };
}

function linesOf(
  document: vscode.TextDocument,
  { edit }: Waiting,
): { first: number; last: number } {
  return {
    first: document.positionAt(edit.start).line,
    last: document.positionAt(edit.end).line,
  };
}

function keyOf(tab: Tab): string {
  return tab === 'none' ? 'Alt+Enter' : 'Tab';
}

function hintOf(tab: Tab, caret: number, first: number, label: string | undefined): string {
  const what = label === undefined ? '' : ` (${label})`;
  if (tab === 'accept' || caret === first) return `${keyOf(tab)} to accept${what}, Esc to dismiss`;
  const arrow = first > caret ? '↓' : '↑';
  return `${keyOf(tab)} ${arrow} next edit in line ${first + 1}${what}`;
}
