import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { panel } from '../src/nextEdit/panel.ts';
import { preview } from '../src/nextEdit/preview.ts';
import { apply } from '../src/nextEdit/textEdit.ts';

const LOOK = { fontFamily: 'monospace', fontSize: 14, lineHeight: 19, tabSize: 4 };

function imageOf(uri: string): string {
  return Buffer.from(uri.split(',')[1] ?? '', 'base64').toString();
}

test('words are replaced as wholes', () => {
  const shown = preview('let count = 1', { start: 4, end: 9, text: 'court' });
  assert.deepEqual([shown.struck.start, shown.struck.end], [4, 9]);
  assert.equal(shown.inserted, 'court');
});

test('a new line strikes nothing', () => {
  const shown = preview('a\nb\n', { start: 2, end: 2, text: 'new\n' });
  assert.equal(shown.struck.start, shown.struck.end);
  assert.deepEqual(shown.panel, ['new']);
});

test('a new line behind the last one strikes nothing', () => {
  const shown = preview('a', { start: 1, end: 1, text: '\nb' });
  assert.equal(shown.struck.start, shown.struck.end);
  assert.deepEqual(shown.panel, ['b']);
});

test('a deleted line is only struck', () => {
  const shown = preview('a\nb\nc\n', { start: 2, end: 4, text: '' });
  assert.deepEqual([shown.struck.start, shown.struck.end], [2, 4]);
  assert.equal(shown.panel, undefined);
  assert.equal(shown.inserted, undefined);
});

test('what is struck and what comes make up the result', () => {
  const text = fc.string({ unit: fc.constantFrom('a', ' ', '\n'), maxLength: 14 });
  fc.assert(
    fc.property(text, fc.nat(14), fc.nat(14), text, (lines, one, other, added) => {
      const old = `${lines}\n`;
      const [x, y] = [Math.min(one, lines.length), Math.min(other, lines.length)];
      const edit = { start: Math.min(x, y), end: Math.max(x, y), text: added };
      const shown = preview(old, edit);
      if (shown.panel !== undefined) {
        const comes = `${shown.panel.join('\n')}\n`;
        const end = apply(old, { ...shown.struck, text: comes });
        const want = apply(old, edit);
        assert.equal(end, want.endsWith('\n') ? want : `${want}\n`);
      } else if (shown.inserted !== undefined) {
        assert.equal(apply(old, { ...shown.struck, text: shown.inserted }), apply(old, edit));
      }
    }),
    { numRuns: 3000 },
  );
});

test('the panel shows the lines as text, whatever they hold', () => {
  const drawn = panel(['if a < b && "c":', '\treturn'], LOOK);
  const svg = imageOf(drawn.dark);
  assert.match(svg, /if a &lt; b &amp;&amp; &quot;c&quot;:/);
  assert.match(svg, /<text x="39.71"[^>]*>return/);
  assert.equal(drawn.height, 2 * LOOK.lineHeight);
});

test('a long panel says how much more there is', () => {
  const drawn = panel(
    Array.from({ length: 100 }, () => 'x'),
    LOOK,
  );
  assert.match(imageOf(drawn.light), /77 more lines/);
});
