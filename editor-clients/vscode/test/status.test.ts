import assert from 'node:assert/strict';
import { test } from 'node:test';
import { promisesNextEdits } from '../src/nextEdit/protocol.ts';
import { modelsIn } from '../src/status/models.ts';
import { type Situation, viewOf } from '../src/status/view.ts';

const READY: Situation = {
  phase: 'running',
  status: { state: 'ready', message: '', progress: 1, model: 'midspan-0.5b' },
  isThinking: false,
  isEnabled: true,
  language: 'python',
  isLanguageOn: true,
  snoozedUntil: undefined,
};

function engine(state: 'loading' | 'failed' | 'off', message: string, progress = 0): Situation {
  return { ...READY, status: { state, message, progress, model: '' } };
}

test('ready names the model', () => {
  assert.deepEqual(viewOf(READY), {
    text: '$(sparkle) Midspan',
    tooltip: 'Ready: midspan-0.5b.',
  });
});

test('ready names another server, and why it is not used', () => {
  const message = 'Using the local engine because http://127.0.0.1:1 does not answer.';
  const status = { state: 'ready', message, progress: 1, model: 'midspan-0.5b', backend: 'openai' };
  assert.equal(
    viewOf({ ...READY, status } as Situation).tooltip,
    `Ready: midspan-0.5b, openai. ${message}`,
  );
});

test('thinking spins and keeps its width', () => {
  assert.equal(viewOf({ ...READY, isThinking: true }).text, '$(loading~spin) Midspan');
});

test('loading says how far it is', () => {
  assert.equal(viewOf(engine('loading', '', 0.42)).text, '$(loading~spin) Midspan 42 %');
});

test('off says why', () => {
  const ignored = viewOf(engine('off', '.env is never read'));
  assert.match(ignored.tooltip, /\.env is never read/);
  assert.match(viewOf({ ...READY, isLanguageOn: false }).tooltip, /off for python/);
  assert.match(viewOf({ ...READY, isEnabled: false }).tooltip, /is off/);
  assert.match(viewOf({ ...READY, snoozedUntil: '12:30' }).tooltip, /12:30/);
});

test('trouble comes before all else', () => {
  const missing = viewOf({ ...READY, phase: 'missing', isEnabled: false });
  assert.equal(missing.severity, 'error');
  assert.deepEqual(viewOf(engine('failed', 'no weights')).tooltip, 'no weights');
  assert.equal(viewOf({ ...READY, phase: 'waiting' }).severity, 'warning');
});

test('models are listed with those that are here first', () => {
  const one = { name: 'a', size_bytes: 5e8, licence: 'MIT', origin: 'me/a' };
  const output = JSON.stringify({ installed: [one], fetchable: [{ ...one, name: 'b' }] });
  assert.deepEqual(modelsIn(output), [
    { name: 'a', isHere: true, about: 'me/a, MIT, 500 MB' },
    { name: 'b', isHere: false, about: 'me/a, MIT, 500 MB' },
  ]);
});

test('only a server that promises next edits is asked for them', () => {
  assert.equal(promisesNextEdits({ midspan: { nextEdit: true } }), true);
  for (const other of [undefined, null, {}, { midspan: {} }, { midspan: { nextEdit: 1 } }]) {
    assert.equal(promisesNextEdits(other), false);
  }
});
