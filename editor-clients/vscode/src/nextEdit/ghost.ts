// Which edits VS Code can draw itself, as an inline completion.

export interface LineEdit {
  /** Columns in the cursor's line; the range does not leave it. */
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/**
 * The edit as an inline completion at `caret`, or nothing where it cannot be one.
 *
 * VS Code draws an item if the range is in the cursor's line and holds the cursor, if the text before
 * the cursor stays, and if what is behind it is kept in the new text, in its order (the rule of
 * `isInlineSuggestion.ts` in vscode-copilot-chat).
 */
export function asGhost(line: string, caret: number, edit: LineEdit): LineEdit | undefined {
  const start = Math.min(edit.start, caret);
  const end = Math.max(edit.end, caret);
  const text = line.slice(start, edit.start) + edit.text + line.slice(edit.end, end);
  const before = line.slice(start, caret);
  if (!text.startsWith(before)) return undefined;
  const added = text.slice(before.length);
  const kept = line.slice(caret, end);
  const [first = '', ...more] = added.split('\n');
  // Several lines are drawn only behind the end of this one.
  if (more.length > 0 && line.slice(end).trim() !== '') return undefined;
  if (added.length <= kept.length || !isSubsequence(kept, first)) return undefined;
  return { start: caret, end, text: added };
}

function isSubsequence(part: string, whole: string): boolean {
  let found = 0;
  for (const character of whole) {
    if (part.startsWith(character, found)) found += character.length;
  }
  return found === part.length;
}
