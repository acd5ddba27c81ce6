import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PartialAccepts } from '../src/inline/partialAccept.ts';

function offered(text: string): PartialAccepts {
  const accepts = new PartialAccepts();
  accepts.offered([{ id: 'one', text, at: 10 }]);
  return accepts;
}

test('a word that comes at once is taken', () => {
  const taken = offered('iance(values)').changed({ start: 10, end: 10, text: 'iance' });
  assert.deepEqual(taken, { id: 'one', length: 5 });
});

test('the second word counts from the beginning of the suggestion', () => {
  const accepts = offered('foo bar baz');
  accepts.changed({ start: 10, end: 10, text: 'foo' });
  const taken = accepts.changed({ start: 13, end: 13, text: ' bar' });
  assert.deepEqual(taken, { id: 'one', length: 7 });
});

test('a suggestion that is offered again goes on counting', () => {
  const accepts = offered('foo bar baz');
  accepts.changed({ start: 10, end: 10, text: 'foo' });
  accepts.offered([{ id: 'one', text: ' bar baz', at: 13 }]);
  const taken = accepts.changed({ start: 13, end: 13, text: ' bar' });
  assert.deepEqual(taken, { id: 'one', length: 7 });
});

test('what is typed is not taken', () => {
  const accepts = offered('f(x)');
  assert.equal(accepts.changed({ start: 10, end: 10, text: 'f' }), undefined);
  assert.equal(accepts.changed({ start: 11, end: 11, text: '()' }), undefined);
});

test('the whole is accepted by its own command and not counted here', () => {
  assert.equal(offered('foo').changed({ start: 10, end: 10, text: 'foo' }), undefined);
});

test('other text ends it', () => {
  const accepts = offered('foo bar');
  assert.equal(accepts.changed({ start: 10, end: 10, text: 'xy' }), undefined);
  assert.equal(accepts.changed({ start: 12, end: 12, text: 'foo' }), undefined);
});
