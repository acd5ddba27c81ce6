// What Tab means while a next edit is shown.

export interface Caret {
  readonly line: number;
  /** The text before the cursor in its line. */
  readonly before: string;
}

export interface Lines {
  readonly first: number;
  readonly last: number;
}

export type Tab = 'jump' | 'accept' | 'none';

/**
 * Elsewhere Tab goes to the edit, there it takes it. Within a line's indentation it goes on indenting,
 * unless it was Tab itself that brought the cursor there.
 */
export function meaningOfTab(caret: Caret, edit: Lines, jumped: boolean): Tab {
  const there = isThere(caret, edit);
  if (there && jumped) return 'accept';
  if (caret.before.trim() === '') return 'none';
  return there ? 'accept' : 'jump';
}

export function isThere(caret: Caret, edit: Lines): boolean {
  return caret.line >= edit.first && caret.line <= edit.last;
}
