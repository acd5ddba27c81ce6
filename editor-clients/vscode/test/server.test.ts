import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import manifest from '../package.json' with { type: 'json' };
import { installCommand, quoted } from '../src/server/installCommand.ts';
import { places } from '../src/server/locate.ts';
import { serverOptions } from '../src/server/options.ts';
import { RestartPolicy } from '../src/server/restart.ts';

const AROUND = {
  setting: '',
  home: '/home/me',
  interpreter: '/envs/a/bin/python',
  folders: ['/project'],
  searchPath: '/usr/bin:/bin',
};

test('the program is looked for in the environment, the workspace, the PATH and our own place', () => {
  assert.deepEqual(places(AROUND), [
    '/envs/a/bin/midspan',
    '/project/.venv/bin/midspan',
    '/usr/bin/midspan',
    '/bin/midspan',
    '/home/me/.local/share/midspan/venv/bin/midspan',
  ]);
});

test('a setting is the only place', () => {
  assert.deepEqual(places({ ...AROUND, setting: '/opt/midspan' }), ['/opt/midspan']);
  assert.deepEqual(places({ ...AROUND, setting: '~/bin/midspan' }), ['/home/me/bin/midspan']);
  const folder = '$' + '{workspaceFolder}/bin/midspan';
  assert.deepEqual(places({ ...AROUND, setting: folder }), ['/project/bin/midspan']);
  const names = places({ ...AROUND, setting: 'midspan-dev' });
  assert.deepEqual(names, ['/usr/bin/midspan-dev', '/bin/midspan-dev']);
});

test('a server that crashes waits longer each time and then for the user', () => {
  const policy = new RestartPolicy();
  const waits = Array.from({ length: 7 }, (_, index) => {
    policy.started(index);
    return policy.crashed(index);
  });
  assert.deepEqual(waits, [1000, 2000, 4000, 8000, 16_000, 30_000, undefined]);
  policy.reset();
  assert.equal(policy.crashed(8), 1000);
});

test('a server that was well for long is started again at once', () => {
  const policy = new RestartPolicy();
  policy.started(0);
  policy.crashed(1);
  policy.started(2);
  assert.equal(policy.crashed(200_000), 1000);
});

test('settings go to the server in its own form', () => {
  const set: Record<string, unknown> = { enabled: true, 'context.snippets': false };
  const options = serverOptions((key) => set[key], '/bin/midspan');
  assert.equal(options['enabled'], true);
  assert.equal(options['statusNotifications'], true);
  assert.equal((options['context'] as Record<string, unknown>)['snippets'], false);
});

/** Each setting of the manifest with its default, by its name without the section. */
const DEFAULTS = new Map(
  Object.entries(manifest.contributes.configuration.properties).map(
    ([name, { default: value }]) => [name.replace('midspan.', ''), value as unknown] as const,
  ),
);

test('every setting of the manifest goes to the server, but for those of the client alone', () => {
  const asked = new Set<string>();
  serverOptions((key) => asked.add(key) && undefined, '/bin/midspan');
  const left = [...DEFAULTS.keys()].filter((key) => !asked.has(key));
  assert.deepEqual(left, ['server.path']);
  assert.deepEqual(
    [...asked].filter((key) => !DEFAULTS.has(key)),
    [],
  );
});

test('a model becomes the command of the engine, unless there is one', () => {
  const set: Record<string, unknown> = { model: 'big', 'engine.idleMinutes': 5 };
  const engine = () =>
    serverOptions((key) => set[key], '/bin/midspan')['engine'] as { command: unknown };
  const want = ['/bin/midspan', 'engine', '--model', 'big', '--idle-minutes', '5'];
  assert.deepEqual(engine().command, want);
  set['engine.command'] = ['mine'];
  assert.deepEqual(engine().command, ['mine']);
});

test('the command to install can be pasted into a shell', () => {
  assert.equal(
    installCommand('/home/me/x', '/ext/midspan-1-py3-none-any.whl'),
    "python3 -m venv /home/me/x && /home/me/x/bin/pip install '/ext/midspan-1-py3-none-any.whl[engine]' && /home/me/x/bin/midspan pull",
  );
  const odd = "a b'c$d";
  assert.equal(execFileSync('sh', ['-c', `printf %s ${quoted(odd)}`], { encoding: 'utf8' }), odd);
});
