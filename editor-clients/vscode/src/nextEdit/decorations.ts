// Draws a next edit in an editor: what goes, what comes, where it is and which key goes there.

import * as path from 'node:path';
import * as vscode from 'vscode';
import { type Look, panel } from './panel.ts';
import type { Preview } from './preview.ts';

export interface Drawn {
  readonly preview: Preview;
  /** Where the hint about the key goes, at the end of that line. */
  readonly hint: { readonly line: number; readonly text: string };
}

const AFTER = { color: new vscode.ThemeColor('editorGhostText.foreground') };
const FAR = Number.MAX_SAFE_INTEGER;
const MOST_COLUMNS = 100;

export class Decorations implements vscode.Disposable {
  private readonly gutter: vscode.TextEditorDecorationType;
  private readonly struck = vscode.window.createTextEditorDecorationType({
    textDecoration: 'line-through',
    backgroundColor: new vscode.ThemeColor('diffEditor.removedTextBackground'),
    rangeBehavior: vscode.DecorationRangeBehavior.ClosedClosed,
  });
  private readonly inserted = vscode.window.createTextEditorDecorationType({
    rangeBehavior: vscode.DecorationRangeBehavior.ClosedClosed,
  });
  private readonly hint = vscode.window.createTextEditorDecorationType({});
  private on: vscode.TextEditor | undefined;

  constructor(extensionPath: string) {
    const icon = (theme: string) => path.join(extensionPath, 'media', `next-edit-${theme}.svg`);
    this.gutter = vscode.window.createTextEditorDecorationType({
      light: { gutterIconPath: icon('light') },
      dark: { gutterIconPath: icon('dark') },
      gutterIconSize: 'contain',
      overviewRulerColor: new vscode.ThemeColor('editorOverviewRuler.addedForeground'),
      overviewRulerLane: vscode.OverviewRulerLane.Left,
    });
  }

  /** Show `drawn` in `editor`, in place of whatever was shown. */
  draw(editor: vscode.TextEditor, drawn: Drawn): void {
    if (this.on !== editor) this.clear();
    this.on = editor;
    const { preview, hint } = drawn;
    const range = rangeOf(editor.document, preview.struck);
    editor.setDecorations(this.struck, range.isEmpty ? [] : [range]);
    editor.setDecorations(this.inserted, this.coming(editor, preview, range));
    editor.setDecorations(this.gutter, [new vscode.Range(range.start, range.start)]);
    editor.setDecorations(this.hint, [hintAt(hint.line, hint.text)]);
  }

  /** Only the mark in the gutter: VS Code draws the rest itself. */
  mark(editor: vscode.TextEditor, line: number): void {
    this.clear();
    this.on = editor;
    editor.setDecorations(this.gutter, [new vscode.Range(line, 0, line, 0)]);
  }

  /** Only the hint, for an edit in another document. */
  point(editor: vscode.TextEditor, line: number, text: string): void {
    this.clear();
    this.on = editor;
    editor.setDecorations(this.hint, [hintAt(line, text)]);
  }

  clear(): void {
    for (const type of [this.struck, this.inserted, this.gutter, this.hint]) {
      this.on?.setDecorations(type, []);
    }
    this.on = undefined;
  }

  dispose(): void {
    this.clear();
    for (const type of [this.struck, this.inserted, this.gutter, this.hint]) type.dispose();
  }

  private coming(
    editor: vscode.TextEditor,
    preview: Preview,
    range: vscode.Range,
  ): vscode.DecorationOptions[] {
    if (preview.inserted !== undefined) {
      const after = {
        ...AFTER,
        contentText: preview.inserted.replace(/ /g, '\u00a0'),
        backgroundColor: new vscode.ThemeColor('diffEditor.insertedTextBackground'),
      };
      return [{ range: new vscode.Range(range.end, range.end), renderOptions: { after } }];
    }
    return preview.panel === undefined
      ? []
      : [panelBeside(editor, range.start.line, preview.panel)];
  }
}

function rangeOf(document: vscode.TextDocument, at: { start: number; end: number }): vscode.Range {
  return new vscode.Range(document.positionAt(at.start), document.positionAt(at.end));
}

function hintAt(line: number, text: string): vscode.DecorationOptions {
  const after = { ...AFTER, contentText: text, margin: '0 0 0 2em', fontStyle: 'italic' };
  return { range: new vscode.Range(line, FAR, line, FAR), renderOptions: { after } };
}

/** To the right of the lines it covers, so that they can be read. */
function panelBeside(
  editor: vscode.TextEditor,
  line: number,
  lines: readonly string[],
): vscode.DecorationOptions {
  const look = lookOf(editor);
  const drawn = panel(lines, look);
  const columns = [...lines.keys()].map((index) => columnsOf(editor, line + index, look.tabSize));
  const right = Math.min(Math.max(...columns), MOST_COLUMNS);
  const gap = Math.max(0, right - (columns[0] ?? 0)) + 2;
  const after = (image: string): vscode.ThemableDecorationAttachmentRenderOptions => ({
    contentIconPath: vscode.Uri.parse(image),
    margin: `0 0 0 ${gap}ch`,
    width: `${drawn.width}px`,
    height: `${drawn.height}px`,
    // There is no option for it: out of the line's flow, above the lines that follow.
    textDecoration: 'none; position: absolute; z-index: 10; pointer-events: none',
  });
  return {
    range: new vscode.Range(line, FAR, line, FAR),
    renderOptions: { light: { after: after(drawn.light) }, dark: { after: after(drawn.dark) } },
  };
}

function columnsOf(editor: vscode.TextEditor, line: number, tabSize: number): number {
  if (line >= editor.document.lineCount) return 0;
  const { text } = editor.document.lineAt(line);
  return [...text].reduce((width, one) => width + (one === '\t' ? tabSize : 1), 0);
}

function lookOf(editor: vscode.TextEditor): Look {
  const set = vscode.workspace.getConfiguration('editor', editor.document);
  const fontSize = set.get('fontSize', 14);
  const height = set.get('lineHeight', 0);
  const { tabSize } = editor.options;
  return {
    fontFamily: set.get('fontFamily', 'monospace'),
    fontSize,
    // VS Code's own rule: 0 is the font's, small numbers are factors.
    lineHeight:
      height === 0 ? Math.round(fontSize * 1.35) : height < 8 ? height * fontSize : height,
    tabSize: typeof tabSize === 'number' ? tabSize : 4,
  };
}
