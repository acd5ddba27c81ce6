// What a document looked like at its last versions, so that an answer to an old one can be carried
// over to the present one or be dropped.

import { aligned, minimal, type Rebased, rebase, type TextEdit } from './textEdit.ts';

export interface Place {
  readonly line: number;
  readonly character: number;
}

interface Step {
  readonly before: string;
  readonly version: number;
  readonly changes: readonly TextEdit[];
}

const MOST_STEPS = 64;
/** All texts before steps together: of a file of megabytes only the last few are kept. */
const MOST_CHARACTERS = 8_000_000;

/** The present text of one document and the steps that led to it. */
export class Versions {
  private steps: Step[] = [];
  private text: string;
  private version: number;

  constructor(text: string, version: number) {
    this.text = text;
    this.version = version;
  }

  /** Note that `changes`, all made for the text before, led to `text`. Returns them as a step. */
  changed(changes: readonly TextEdit[], text: string, version: number): Step {
    // From the end of the text backwards, so that none moves the next.
    const ordered = [...changes].sort((a, b) => b.start - a.start);
    const step = { before: this.text, version: this.version, changes: ordered };
    this.steps = kept([...this.steps.slice(1 - MOST_STEPS), step]);
    this.text = text;
    this.version = version;
    return step;
  }

  /** An edit made for `version`, in the present text; stale where that version is forgotten. */
  present(start: Place, end: Place, newText: string, version: number): Rebased {
    const first = this.steps.findIndex((step) => step.version === version);
    if (first < 0 && version !== this.version) return { kind: 'stale' };
    const text = first < 0 ? this.text : (this.steps[first]?.before ?? '');
    const from = offsetAt(text, start);
    const to = offsetAt(text, end);
    if (from === undefined || to === undefined || from > to) return { kind: 'stale' };
    const whole = { start: from, end: to, text: withEndings(newText, text) };
    const edit = aligned(text, minimal(text, whole));
    if (edit.start === edit.end && edit.text === '') return { kind: 'done' };
    return over(edit, first < 0 ? [] : this.steps.slice(first));
  }
}

/** The last of `steps`, as many as may be remembered. */
function kept(steps: Step[]): Step[] {
  let left = MOST_CHARACTERS;
  const first = steps.findLastIndex(({ before }) => {
    left -= before.length;
    return left < 0;
  });
  return steps.slice(first + 1);
}

/** Carry `edit` over `steps`, the first of which was made for the same text. */
export function over(edit: TextEdit, steps: readonly Step[]): Rebased {
  let now = edit;
  for (const step of steps) {
    let text = step.before;
    for (const change of step.changes) {
      const rebased = rebase(text, now, change);
      if (rebased.kind !== 'kept') return rebased;
      now = rebased.edit;
      text = text.slice(0, change.start) + change.text + text.slice(change.end);
    }
  }
  return { kind: 'kept', edit: now };
}

/** Offset of a position; a character behind the line's end means that end, as LSP has it. */
export function offsetAt(text: string, place: Place): number | undefined {
  let start = 0;
  for (let line = 0; line < place.line; line++) {
    const end = text.indexOf('\n', start);
    if (end < 0) return undefined;
    start = end + 1;
  }
  const next = text.indexOf('\n', start);
  const whole = next < 0 ? text.length : next;
  const end = next > start && text[next - 1] === '\r' ? next - 1 : whole;
  return Math.min(start + place.character, end);
}

function withEndings(newText: string, text: string): string {
  const plain = newText.replace(/\r\n?/g, '\n');
  return text.includes('\r\n') ? plain.replace(/\n/g, '\r\n') : plain;
}
