// What is drawn for an edit that VS Code cannot draw itself.

import { apply, minimal, type TextEdit } from './textEdit.ts';

export interface Preview {
  /** What goes, struck through: offsets. */
  readonly struck: { readonly start: number; readonly end: number };
  /** One line that comes, drawn behind `struck`. */
  readonly inserted: string | undefined;
  /** Several lines that come, drawn beside the text. */
  readonly panel: readonly string[] | undefined;
}

const WORD = /[\p{L}\p{N}_$]/u;

/** Words are replaced as wholes in one line, lines as wholes where there are several. */
export function preview(text: string, edit: TextEdit): Preview {
  const small = minimal(text, edit);
  const old = text.slice(small.start, small.end);
  if (!old.includes('\n') && !small.text.includes('\n')) {
    const words = wholeWords(text, small);
    return { struck: words, inserted: words.text || undefined, panel: undefined };
  }
  const lines = wholeLines(text, small);
  const panel = lines.text === '' ? undefined : lines.text.replace(/\r?\n$/, '').split(/\r?\n/);
  return { struck: lines, inserted: undefined, panel };
}

function wholeWords(text: string, edit: TextEdit): TextEdit {
  if (edit.start === edit.end) return edit;
  let { start, end } = edit;
  while (start > 0 && WORD.test(text.charAt(start - 1))) start--;
  while (end < text.length && WORD.test(text.charAt(end))) end++;
  return {
    start,
    end,
    text: text.slice(start, edit.start) + edit.text + text.slice(edit.end, end),
  };
}

/** Whole lines, less those that only move: `a\n` before `b` is one new line and none that goes. */
function wholeLines(text: string, edit: TextEdit): TextEdit {
  const start = edit.start === 0 ? 0 : text.lastIndexOf('\n', edit.start - 1) + 1;
  const behind = text.indexOf('\n', edit.end);
  const end = behind < 0 ? text.length : behind + 1;
  const result = apply(text, edit);
  const lines = result.slice(start, result.length - (text.length - end));
  // The last line counts as ended, else it would differ from the same line with others behind it.
  const close = behind < 0 ? '\n' : '';
  const changed = changedLines(text.slice(start, end) + close, lines + close);
  return {
    start: Math.min(start + changed.start, text.length),
    end: Math.min(start + changed.end, text.length),
    text: changed.text,
  };
}

function changedLines(old: string, lines: string): TextEdit {
  const before = old.split(/(?<=\n)/);
  const after = lines.split(/(?<=\n)/);
  let [start, end] = [0, old.length];
  while (before.length > 0 && before[0] === after[0]) {
    start += before.shift()?.length ?? 0;
    after.shift();
  }
  while (before.length > 0 && before.at(-1) === after.at(-1)) {
    end -= before.pop()?.length ?? 0;
    after.pop();
  }
  return { start, end, text: after.join('') };
}
