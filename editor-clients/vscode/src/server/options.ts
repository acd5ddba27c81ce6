// The user's settings as the server takes them.

/** Reads one setting by its name without the section. */
export type Read = (key: string) => unknown;

export interface ServerOptions {
  readonly [key: string]: unknown;
}

const PLAIN = [
  'enabled',
  'languages',
  'exclude',
  'forbid',
  'comments',
  'strings',
  'threshold',
  'effort',
  'debounceMs',
  'maxLineTokens',
  'maxBlockTokens',
  'alternatives',
  'budgetMs',
] as const;
const CONTEXT = ['prefixChars', 'suffixChars', 'snippetChars', 'snippets', 'recentEdits'] as const;
const NEXT_EDIT = [
  'enabled',
  'onSave',
  'idleMs',
  'show',
  'model',
  'budgetMs',
  'likelihood',
] as const;
const BACKEND = [
  'kind',
  'url',
  'model',
  'template',
  'apiKeyEnv',
  'apiKeyFile',
  'headers',
  'timeoutMs',
  'sendSnippets',
  'fallback',
] as const;
const ENGINE = ['idleMinutes', 'autostart', 'socket', 'command'] as const;

/** Return the options; a `model` becomes the command that starts the engine with it. */
export function serverOptions(read: Read, program: string): ServerOptions {
  const engine = { ...group(read, 'engine', ENGINE) };
  const model = read('model');
  const command = engine['command'];
  if (typeof model === 'string' && model !== '' && !(Array.isArray(command) && command.length)) {
    engine['command'] = engineCommand(program, model, read('engine.idleMinutes'));
  }
  return {
    ...Object.fromEntries(PLAIN.map((key) => [key, read(key)])),
    statusNotifications: true,
    nextEdit: group(read, 'nextEdit', NEXT_EDIT),
    context: group(read, 'context', CONTEXT),
    engine,
    backend: group(read, 'backend', BACKEND),
  };
}

function engineCommand(program: string, model: string, idle: unknown): readonly string[] {
  const minutes = typeof idle === 'number' ? ['--idle-minutes', String(idle)] : [];
  return [program, 'engine', '--model', model, ...minutes];
}

function group(read: Read, name: string, keys: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(keys.map((key) => [key, read(`${name}.${key}`)]));
}
