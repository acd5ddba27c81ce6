import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isGivenUp } from '../src/inline/givingUp.ts';

test('what ends 760 ms after the key was given up by VS Code, early or late by a bit', () => {
  for (const ms of [700, 742, 760, 900]) assert.ok(isGivenUp(ms), `${ms}`);
});

test('what ends sooner or much later was sent away by the user', () => {
  for (const ms of [0, 300, 600, 1500, 10_000]) assert.ok(!isGivenUp(ms), `${ms}`);
});
