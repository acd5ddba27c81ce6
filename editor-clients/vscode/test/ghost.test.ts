import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { asGhost } from '../src/nextEdit/ghost.ts';

test('an insertion at the cursor is one', () => {
  const ghost = asGhost('return a', 8, { start: 8, end: 8, text: ' + b' });
  assert.deepEqual(ghost, { start: 8, end: 8, text: ' + b' });
});

test('an insertion behind the cursor keeps what is between', () => {
  const ghost = asGhost('f(a)', 1, { start: 3, end: 3, text: ', b' });
  assert.deepEqual(ghost, { start: 1, end: 3, text: '(a, b' });
});

test('a change of what stands before the cursor is none', () => {
  assert.equal(asGhost('let foo = 1', 11, { start: 4, end: 7, text: 'bar' }), undefined);
});

test('an edit that takes something away is none', () => {
  assert.equal(asGhost('a + b', 2, { start: 2, end: 5, text: '- b' }), undefined);
  assert.equal(asGhost('abc', 0, { start: 0, end: 2, text: '' }), undefined);
});

test('several lines come only at the end of the line', () => {
  assert.equal(asGhost('if a: b', 5, { start: 5, end: 5, text: '\n    c\n' }), undefined);
  assert.deepEqual(asGhost('if a:', 5, { start: 5, end: 5, text: '\n    c' }), {
    start: 5,
    end: 5,
    text: '\n    c',
  });
});

test('a ghost does the same as the edit and leaves the text before the cursor', () => {
  const line = fc.string({ unit: fc.constantFrom('a', 'b', '('), maxLength: 8 });
  fc.assert(
    fc.property(line, fc.nat(8), fc.nat(8), fc.nat(8), line, (text, at, one, other, added) => {
      const [x, y] = [Math.min(one, text.length), Math.min(other, text.length)];
      const edit = { start: Math.min(x, y), end: Math.max(x, y), text: added };
      const caret = Math.min(at, text.length);
      const ghost = asGhost(text, caret, edit);
      if (ghost === undefined) return;
      const result = text.slice(0, ghost.start) + ghost.text + text.slice(ghost.end);
      assert.equal(result, text.slice(0, edit.start) + edit.text + text.slice(edit.end));
      assert.ok(ghost.start >= caret && ghost.end >= caret);
    }),
    { numRuns: 3000 },
  );
});
