// One replacement in a text, and what becomes of it while the user types. Offsets are UTF-16.

export interface TextEdit {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/** `kept`: it still fits, in the changed text. `done`: the user typed it. `stale`: it does not fit. */
export type Rebased =
  | { readonly kind: 'kept'; readonly edit: TextEdit }
  | { readonly kind: 'done' }
  | { readonly kind: 'stale' };

const STALE: Rebased = { kind: 'stale' };

export function apply(text: string, edit: TextEdit): string {
  return text.slice(0, edit.start) + edit.text + text.slice(edit.end);
}

/** The same replacement without what it leaves as it is at its beginning and end. */
export function minimal(text: string, edit: TextEdit): TextEdit {
  const old = text.slice(edit.start, edit.end);
  const most = Math.min(old.length, edit.text.length);
  let head = 0;
  while (head < most && old[head] === edit.text[head]) head++;
  let tail = 0;
  while (tail < most - head && old.at(-1 - tail) === edit.text.at(-1 - tail)) tail++;
  return {
    start: edit.start + head,
    end: edit.end - tail,
    text: edit.text.slice(head, edit.text.length - tail),
  };
}

const WORD = /[\p{L}\p{N}_$]/u;

/** An insertion within a word, moved to where the word begins if it can be made there as well. */
export function aligned(text: string, edit: TextEdit): TextEdit {
  let { start, text: added } = edit;
  if (start !== edit.end || added === '') return edit;
  while (start > 0 && WORD.test(text.charAt(start - 1)) && WORD.test(added.charAt(0))) {
    const before = text.charAt(start - 1);
    if (!added.endsWith(before)) return edit;
    added = before + added.slice(0, -1);
    start -= 1;
  }
  return { start, end: start, text: added };
}

/**
 * Carry `edit` over `change`, both made for `text`.
 *
 * Elsewhere in the text a change only moves it. In its own range a change has to be a part of it: its
 * first or last characters typed, or some of the old text deleted; then the rest is left to do, and the
 * end is the same. Whatever else touches the range makes it stale.
 */
export function rebase(text: string, edit: TextEdit, change: TextEdit): Rebased {
  const made = minimal(text, change);
  const length = made.text.length;
  const grown = length - (made.end - made.start);
  if (grown === 0 && length === 0) return { kind: 'kept', edit };
  const types = made.start === made.end;
  if (made.end < edit.start || (made.end === edit.start && !types)) {
    return { kind: 'kept', edit: moved(edit, grown) };
  }
  if (made.start > edit.end || (made.start === edit.end && !types)) return { kind: 'kept', edit };
  if (made.start < edit.start || made.end > edit.end) return STALE;
  return left(edit, made, grown);
}

function left(edit: TextEdit, made: TextEdit, grown: number): Rebased {
  const length = made.text.length;
  if (made.start === edit.start && edit.text.startsWith(made.text)) {
    const start = edit.start + length;
    return unfinished({ start, end: edit.end + grown, text: edit.text.slice(length) });
  }
  if (made.end === edit.end && edit.text.endsWith(made.text)) {
    const text = edit.text.slice(0, edit.text.length - length);
    return unfinished({ start: edit.start, end: made.start, text });
  }
  return length === 0 ? unfinished({ ...edit, end: edit.end + grown }) : STALE;
}

function unfinished(edit: TextEdit): Rebased {
  const nothing = edit.start === edit.end && edit.text === '';
  return nothing ? { kind: 'done' } : { kind: 'kept', edit };
}

function moved(edit: TextEdit, by: number): TextEdit {
  return { start: edit.start + by, end: edit.end + by, text: edit.text };
}
