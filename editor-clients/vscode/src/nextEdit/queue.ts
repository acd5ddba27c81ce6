// The next edits that wait, best first, each in the present text of its document.

import type { EventKind, NextEdit } from './protocol.ts';
import type { TextEdit } from './textEdit.ts';
import { over, Versions } from './versions.ts';

export interface Waiting {
  readonly id: string;
  readonly uri: string;
  readonly label: string | undefined;
  readonly edit: TextEdit;
}

export interface Text {
  readonly uri: string;
  readonly version: number;
  readonly text: string;
}

/** Holds edits and documents; what becomes of an edit is told to `tell`. */
export class Queue {
  private waiting: readonly Waiting[] = [];
  private readonly documents = new Map<string, Versions>();
  private readonly tell: (id: string, kind: EventKind) => void;

  constructor(tell: (id: string, kind: EventKind) => void) {
    this.tell = tell;
  }

  get head(): Waiting | undefined {
    return this.waiting[0];
  }

  /** Know `document` from its present version on. */
  follow(document: Text): void {
    if (!this.documents.has(document.uri)) {
      this.documents.set(document.uri, new Versions(document.text, document.version));
    }
  }

  follows(uri: string): boolean {
    return this.documents.has(uri);
  }

  forget(uri: string): void {
    this.documents.delete(uri);
    this.keep((one) => (one.uri === uri ? undefined : one));
  }

  /** Wait with `edits` in place of all others; those of unknown versions are stale. */
  replace(edits: readonly NextEdit[]): void {
    this.waiting = edits.flatMap((one) => this.bound(one));
  }

  /** Carry all edits over a change. Returns whether the first one is done by it. */
  changed(document: Text, changes: readonly TextEdit[]): boolean {
    const step = this.documents
      .get(document.uri)
      ?.changed(changes, document.text, document.version);
    if (step === undefined) return false;
    let isHeadDone = false;
    const head = this.head;
    this.keep((one) => {
      if (one.uri !== document.uri) return one;
      const rebased = over(one.edit, [step]);
      if (rebased.kind === 'kept') return { ...one, edit: rebased.edit };
      isHeadDone ||= rebased.kind === 'done' && one === head;
      this.tell(one.id, rebased.kind === 'done' ? 'accepted' : 'stale');
      return undefined;
    });
    return isHeadDone;
  }

  /** Remove the first one. */
  shift(): Waiting | undefined {
    const [head, ...rest] = this.waiting;
    this.waiting = rest;
    return head;
  }

  clear(): void {
    this.waiting = [];
  }

  private bound(one: NextEdit): Waiting[] {
    const { uri, version } = one.textDocument;
    const { start, end } = one.range;
    const present = this.documents.get(uri)?.present(start, end, one.newText, version);
    if (present?.kind === 'kept') {
      return [{ id: one.id, uri, label: one.label, edit: present.edit }];
    }
    this.tell(one.id, 'stale');
    return [];
  }

  private keep(choose: (one: Waiting) => Waiting | undefined): void {
    this.waiting = this.waiting.flatMap((one) => choose(one) ?? []);
  }
}
