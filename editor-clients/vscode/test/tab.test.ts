import assert from 'node:assert/strict';
import { test } from 'node:test';
import { meaningOfTab } from '../src/nextEdit/tab.ts';

const EDIT = { first: 5, last: 6 };

test('Tab goes to an edit elsewhere', () => {
  assert.equal(meaningOfTab({ line: 1, before: 'x = 1' }, EDIT, false), 'jump');
});

test('Tab takes the edit in the line of the cursor', () => {
  assert.equal(meaningOfTab({ line: 6, before: 'x' }, EDIT, false), 'accept');
});

test('Tab takes the edit it has gone to, in the indentation too', () => {
  assert.equal(meaningOfTab({ line: 5, before: '    ' }, EDIT, true), 'accept');
});

test('Tab indents where it would have indented', () => {
  assert.equal(meaningOfTab({ line: 1, before: '  ' }, EDIT, false), 'none');
  assert.equal(meaningOfTab({ line: 5, before: '' }, EDIT, false), 'none');
});
