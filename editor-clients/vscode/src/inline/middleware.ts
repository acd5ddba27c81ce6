// Between VS Code and the server: what is not asked, not shown, shown late, and counted.

import * as vscode from 'vscode';
import type { Middleware } from 'vscode-languageclient/node';
import { isGivenUp } from './givingUp.ts';
import { type Offer, PartialAccepts, type Taken } from './partialAccept.ts';

export interface InlineParts {
  /** Whether there are no suggestions in this document, for a reason that the client knows. */
  readonly isSilent: (document: vscode.TextDocument) => boolean;
  /** Whether the place is taken by a next edit that is drawn as ghost text. */
  readonly isTaken: (document: vscode.TextDocument, position: vscode.Position) => boolean;
  readonly thinking: (change: 1 | -1) => void;
  readonly taken: (taken: Taken) => void;
}

type Answer = vscode.InlineCompletionItem[] | vscode.InlineCompletionList | null | undefined;

/** A question of VS Code's: where, and in which version. */
interface Question {
  readonly document: vscode.TextDocument;
  readonly version: number;
  readonly position: vscode.Position;
}

type Provide = NonNullable<Middleware['provideInlineCompletionItems']>;
type Next = Parameters<Provide>[4];

/** A question that was put to the server; `isWanted` once VS Code has asked it as well. */
interface Asked {
  readonly question: Question;
  readonly ending: vscode.CancellationTokenSource;
  readonly answer: Promise<Answer>;
  isWanted: boolean;
}

const AUTOMATIC = vscode.InlineCompletionTriggerKind.Automatic;

export class InlineSuggestions implements vscode.Disposable {
  private readonly parts: InlineParts;
  private readonly accepts = new PartialAccepts();
  private readonly subscription: vscode.Disposable;
  private offeredIn: vscode.TextDocument | undefined;
  private asked: Asked | undefined;
  private late: { question: Question; answer: Answer } | undefined;
  private next: Next | undefined;
  private lastChange = { version: 0, uri: '', at: 0 };

  constructor(parts: InlineParts) {
    this.parts = parts;
    this.subscription = vscode.workspace.onDidChangeTextDocument((event) => this.changed(event));
  }

  readonly middleware: Pick<Middleware, 'provideInlineCompletionItems'> = {
    provideInlineCompletionItems: async (document, position, context, token, next) => {
      const question = { document, version: document.version, position };
      const late = this.late;
      this.late = undefined;
      this.next = next;
      if (this.isOff(question)) return [];
      if (late !== undefined && isSame(late.question, question)) {
        return this.offered(document, late.answer);
      }
      const asked = this.askedAhead(question, context) ?? this.ask(question, context, next);
      asked.isWanted = true;
      token.onCancellationRequested(() => this.endedByVsCode(asked));
      const answer = await asked.answer;
      if (asked.ending.token.isCancellationRequested || !isPresent(question)) return [];
      if (!token.isCancellationRequested) return this.offered(document, answer);
      this.showLate(question, answer);
      return [];
    },
  };

  dispose(): void {
    this.asked?.ending.cancel();
    this.subscription.dispose();
  }

  private isOff({ document, position }: Question): boolean {
    return this.parts.isSilent(document) || this.parts.isTaken(document, position);
  }

  /** Ask in place of what was asked before. */
  private ask(question: Question, context: vscode.InlineCompletionContext, next: Next): Asked {
    this.asked?.ending.cancel();
    const ending = new vscode.CancellationTokenSource();
    this.parts.thinking(1);
    const { document, position } = question;
    // What goes wrong has been logged by the language client.
    const answer = Promise.resolve(next(document, position, context, ending.token))
      .catch(() => undefined)
      .finally(() => this.parts.thinking(-1));
    this.asked = { question, ending, answer, isWanted: false };
    return this.asked;
  }

  private askedAhead(
    question: Question,
    context: vscode.InlineCompletionContext,
  ): Asked | undefined {
    const { asked } = this;
    const isPlain =
      context.triggerKind === AUTOMATIC && context.selectedCompletionInfo === undefined;
    const isRunning = asked !== undefined && !asked.ending.token.isCancellationRequested;
    return isPlain && isRunning && isSame(asked.question, question) ? asked : undefined;
  }

  /**
   * Ask for what VS Code will ask for: it waits 50 ms after each key. As long as it took what was asked
   * ahead last time, or has asked since.
   */
  private askAhead(event: vscode.TextDocumentChangeEvent): void {
    const { document } = event;
    const wasWanted = this.asked?.isWanted ?? false;
    const { next } = this;
    const position = typedTo(event);
    if (!wasWanted || next === undefined || position === undefined) return;
    const question = { document, version: document.version, position };
    // The language client tells the server of the change before this.
    setImmediate(() => {
      if (!isPresent(question) || this.isOff(question)) return;
      this.ask(question, { triggerKind: AUTOMATIC, selectedCompletionInfo: undefined }, next);
    });
  }

  /** End the request when the user ends it, and not when VS Code only stops waiting. */
  private endedByVsCode({ question, ending }: Asked): void {
    const { version, uri, at } = this.lastChange;
    const isLast = version === question.version && uri === question.document.uri.toString();
    if (!isLast || !isPresent(question) || !isGivenUp(Date.now() - at)) ending.cancel();
  }

  /** Make VS Code ask again for what it did not wait for: the answer is there now. */
  private showLate(question: Question, answer: Answer): void {
    const editor = vscode.window.activeTextEditor;
    const isThere =
      editor?.document === question.document && editor.selection.active.isEqual(question.position);
    if (!isThere || itemsOf(answer).length === 0) return;
    this.late = { question, answer };
    void vscode.commands.executeCommand('editor.action.inlineSuggest.trigger');
  }

  private offered(document: vscode.TextDocument, answer: Answer): Answer {
    this.offeredIn = document;
    this.accepts.offered(itemsOf(answer).flatMap((item) => offerOf(document, item)));
    return answer;
  }

  private changed(event: vscode.TextDocumentChangeEvent): void {
    const { document, contentChanges } = event;
    if (contentChanges.length === 0) return;
    this.lastChange = {
      version: document.version,
      uri: document.uri.toString(),
      at: Date.now(),
    };
    if (document === this.asked?.question.document) {
      this.asked.ending.cancel();
      this.askAhead(event);
    }
    if (document !== this.offeredIn) return;
    for (const { rangeOffset, rangeLength, text } of contentChanges) {
      const change = { start: rangeOffset, end: rangeOffset + rangeLength, text };
      const taken = this.accepts.changed(change);
      if (taken !== undefined) this.parts.taken(taken);
    }
  }
}

/** Where the cursor is after one key in the active editor; nothing for all other changes. */
function typedTo(event: vscode.TextDocumentChangeEvent): vscode.Position | undefined {
  const { document, contentChanges, reason } = event;
  const [change, ...others] = contentChanges;
  const editor = vscode.window.activeTextEditor;
  const isOne = editor?.document === document && editor.selections.length === 1;
  if (change === undefined || others.length > 0 || reason !== undefined || !isOne) return undefined;
  const { text, rangeLength, rangeOffset } = change;
  // A closing bracket or quote that came by itself stays behind the cursor.
  const isPair = /^(\(\)|\[\]|\{\}|""|''|``)$/.test(text);
  const isKey = text.length === 1 || isPair || /^\r?\n[ \t]*$/.test(text);
  if (!isKey || rangeLength > 0) return undefined;
  return document.positionAt(rangeOffset + (isPair ? 1 : text.length));
}

function isPresent({ document, version }: Question): boolean {
  return document.version === version;
}

function isSame(one: Question, other: Question): boolean {
  return (
    one.document === other.document &&
    one.version === other.version &&
    one.position.isEqual(other.position)
  );
}

function itemsOf(answer: Answer): readonly vscode.InlineCompletionItem[] {
  return Array.isArray(answer) ? answer : (answer?.items ?? []);
}

function offerOf(document: vscode.TextDocument, item: vscode.InlineCompletionItem): Offer[] {
  const id: unknown = item.command?.arguments?.[0];
  const { insertText, range } = item;
  if (typeof id !== 'string' || typeof insertText !== 'string' || range === undefined) return [];
  const there = document.getText(range);
  if (!insertText.startsWith(there)) return [];
  return [{ id, text: insertText.slice(there.length), at: document.offsetAt(range.end) }];
}
