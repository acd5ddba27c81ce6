import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { aligned, apply, minimal, rebase, type TextEdit } from '../src/nextEdit/textEdit.ts';

// Few characters, so that edits and changes often agree.
const anyText = fc.string({ unit: fc.constantFrom('a', 'b', '\n'), maxLength: 12 });

function editOf(text: string): fc.Arbitrary<TextEdit> {
  return fc
    .tuple(fc.nat(text.length), fc.nat(text.length), anyText)
    .map(([one, other, inserted]) => ({
      start: Math.min(one, other),
      end: Math.max(one, other),
      text: inserted,
    }));
}

const textWithTwo = anyText.chain((text) =>
  fc.tuple(
    fc.constant(text),
    editOf(text).map((edit) => minimal(text, edit)),
    editOf(text),
  ),
);

/** Both made for the same text and apart from each other: the later one goes first. */
function both(text: string, one: TextEdit, other: TextEdit): string {
  const [first, second] = one.start <= other.start ? [one, other] : [other, one];
  return apply(apply(text, second), first);
}

test('an edit without its common ends does the same', () => {
  fc.assert(
    fc.property(
      anyText.chain((text) => fc.tuple(fc.constant(text), editOf(text))),
      ([text, edit]) => {
        assert.equal(apply(text, minimal(text, edit)), apply(text, edit));
      },
    ),
  );
});

test('an aligned edit does the same', () => {
  fc.assert(
    fc.property(textWithTwo, ([text, edit]) => {
      assert.equal(apply(text, aligned(text, edit)), apply(text, edit));
    }),
    { numRuns: 2000 },
  );
});

test('an insertion is made where its word begins', () => {
  const edit = minimal('return result', { start: 7, end: 13, text: 'round(result)' });
  assert.equal(edit.start, 8);
  const insertion = minimal('a result', { start: 2, end: 8, text: 'round(result' });
  assert.deepEqual(aligned('a result', insertion), { start: 2, end: 2, text: 'round(' });
});

test('a kept edit leads to its own end or to the sum of both', () => {
  fc.assert(
    fc.property(textWithTwo, ([text, edit, change]) => {
      const rebased = rebase(text, edit, change);
      if (rebased.kind !== 'kept') return;
      const end = apply(apply(text, change), rebased.edit);
      const made = minimal(text, change);
      const apart = made.end <= edit.start || made.start >= edit.end;
      const ends = apart ? [apply(text, edit), both(text, edit, made)] : [apply(text, edit)];
      assert.ok(ends.includes(end), JSON.stringify({ end, ends }));
    }),
    { numRuns: 5000 },
  );
});

test('a done edit is in the text', () => {
  fc.assert(
    fc.property(textWithTwo, ([text, edit, change]) => {
      if (edit.start === edit.end && edit.text === '') return;
      if (rebase(text, edit, change).kind === 'done') {
        assert.equal(apply(text, change), apply(text, edit));
      }
    }),
    { numRuns: 5000 },
  );
});

test('a change that does not touch the edit keeps it', () => {
  fc.assert(
    fc.property(textWithTwo, ([text, edit, change]) => {
      const made = minimal(text, change);
      if (made.end < edit.start || made.start > edit.end) {
        assert.equal(rebase(text, edit, change).kind, 'kept');
      }
    }),
    { numRuns: 2000 },
  );
});

test('typing an edit character by character ends in done', () => {
  fc.assert(
    fc.property(anyText, fc.nat(12), anyText, (text, at, typed) => {
      fc.pre(typed !== '');
      const place = Math.min(at, text.length);
      let now = text;
      let edit: TextEdit = { start: place, end: place, text: typed };
      for (const [index, character] of [...typed].entries()) {
        const change = { start: place + index, end: place + index, text: character };
        const rebased = rebase(now, edit, change);
        now = apply(now, change);
        if (index === typed.length - 1) assert.equal(rebased.kind, 'done');
        else if (rebased.kind === 'kept') edit = rebased.edit;
        else assert.fail(rebased.kind);
      }
    }),
  );
});

test('other text typed at the edit makes it stale', () => {
  const edit = { start: 4, end: 7, text: 'bar' };
  assert.equal(rebase('let foo', edit, { start: 4, end: 4, text: 'x' }).kind, 'stale');
  assert.equal(rebase('let foo', edit, { start: 7, end: 7, text: 'x' }).kind, 'stale');
  assert.equal(rebase('let foo', edit, { start: 5, end: 6, text: 'x' }).kind, 'stale');
  assert.equal(rebase('let foo', edit, { start: 0, end: 5, text: '' }).kind, 'stale');
});

test('deleting what would be replaced leaves the rest', () => {
  const edit = { start: 4, end: 7, text: 'bar' };
  assert.deepEqual(rebase('let foo', edit, { start: 5, end: 7, text: '' }), {
    kind: 'kept',
    edit: { start: 4, end: 5, text: 'bar' },
  });
});
