import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { aligned, apply, minimal, type TextEdit } from '../src/nextEdit/textEdit.ts';
import { offsetAt, Versions } from '../src/nextEdit/versions.ts';

const anyText = fc.string({ unit: fc.constantFrom('a', 'b', '\n'), maxLength: 16 });
const anyChange = fc.tuple(fc.nat(20), fc.nat(4), anyText);

function placeOf(text: string, offset: number) {
  const lines = text.slice(0, offset).split('\n');
  return { line: lines.length - 1, character: lines.at(-1)?.length ?? 0 };
}

function within(text: string, [at, length, inserted]: [number, number, string]): TextEdit {
  const start = Math.min(at, text.length);
  return { start, end: Math.min(start + length, text.length), text: inserted };
}

function isSubsequence(part: string, whole: string): boolean {
  const left = [...whole].reduce((rest, one) => (rest[0] === one ? rest.slice(1) : rest), part);
  return left === '';
}

test('an answer to an old version fits the present one or is dropped', () => {
  fc.assert(
    fc.property(
      anyText,
      anyChange,
      fc.array(anyChange, { maxLength: 6 }),
      (text, wanted, typing) => {
        const versions = new Versions(text, 1);
        const edit = aligned(text, minimal(text, within(text, wanted)));
        let now = text;
        for (const [index, keys] of typing.entries()) {
          const change = within(now, keys);
          now = apply(now, change);
          versions.changed([change], now, index + 2);
        }
        const [from, to] = [placeOf(text, edit.start), placeOf(text, edit.end)];
        const present = versions.present(from, to, edit.text, 1);
        if (present.kind !== 'kept') return;
        // What it still replaces and inserts are parts of what it replaced and inserted.
        const old = now.slice(present.edit.start, present.edit.end);
        assert.ok(isSubsequence(old, text.slice(edit.start, edit.end)));
        assert.ok(edit.text.includes(present.edit.text));
      },
    ),
    { numRuns: 3000 },
  );
});

test('an answer to a version that was never seen is stale', () => {
  const versions = new Versions('one\n', 3);
  const place = { line: 0, character: 0 };
  assert.equal(versions.present(place, place, 'x', 2).kind, 'stale');
  assert.equal(versions.present(place, place, 'x', 4).kind, 'stale');
});

test('several changes of one step are all made for the text before it', () => {
  const versions = new Versions('a\nb\nc\n', 1);
  const changes = [
    { start: 0, end: 0, text: '# ' },
    { start: 2, end: 2, text: '# ' },
  ];
  versions.changed(changes, '# a\n# b\nc\n', 2);
  const present = versions.present({ line: 2, character: 0 }, { line: 2, character: 1 }, 'd', 1);
  assert.deepEqual(present, { kind: 'kept', edit: { start: 8, end: 9, text: 'd' } });
});

test('new text takes the line endings of the document', () => {
  const versions = new Versions('a\r\nb\r\n', 1);
  const place = { line: 1, character: 0 };
  assert.deepEqual(versions.present(place, place, 'x\n', 1), {
    kind: 'kept',
    edit: { start: 3, end: 3, text: 'x\r\n' },
  });
});

test('positions behind the end of a line mean its end', () => {
  assert.equal(offsetAt('ab\ncd', { line: 0, character: 9 }), 2);
  assert.equal(offsetAt('ab\r\ncd', { line: 0, character: 9 }), 2);
  assert.equal(offsetAt('ab\ncd', { line: 1, character: 9 }), 5);
  assert.equal(offsetAt('ab', { line: 1, character: 0 }), undefined);
});

test('of a very large document only the last texts are remembered', () => {
  const long = 'x'.repeat(3_000_000);
  const versions = new Versions(long, 1);
  const typed = (count: number) => `${'a'.repeat(count)}${long}`;
  for (const count of [1, 2, 3]) {
    versions.changed([{ start: 0, end: 0, text: 'a' }], typed(count), count + 1);
  }
  const at = (version: number) =>
    versions.present({ line: 0, character: 9 }, { line: 0, character: 9 }, 'b', version).kind;
  assert.deepEqual([1, 2, 3, 4].map(at), ['stale', 'kept', 'kept', 'kept']);
});
