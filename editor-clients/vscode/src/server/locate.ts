// Where the program `midspan` may be, in the order in which it is looked for.

import * as path from 'node:path';

export interface Surroundings {
  /** The setting; "" is none. */
  readonly setting: string;
  readonly home: string;
  /** The interpreter that is selected in the Python extension. */
  readonly interpreter: string | undefined;
  /** Folders of the workspace; none while it is not trusted. */
  readonly folders: readonly string[];
  /** The value of PATH. */
  readonly searchPath: string;
}

const PROGRAM = 'midspan';
const FOLDER = '$' + '{workspaceFolder}';

/** The environment that this extension installs into. */
export function ownEnvironment(home: string): string {
  return path.join(home, '.local', 'share', 'midspan', 'venv');
}

/** Return paths, best first. With a setting there is nothing but what it says. */
export function places(around: Surroundings): readonly string[] {
  const { setting, home, interpreter, folders } = around;
  const searched = around.searchPath.split(path.delimiter).filter((folder) => folder !== '');
  if (setting !== '') return named(setting, home, folders, searched);
  return [
    ...(interpreter === undefined ? [] : [path.join(path.dirname(interpreter), PROGRAM)]),
    ...folders.map((folder) => path.join(folder, '.venv', 'bin', PROGRAM)),
    ...searched.map((folder) => path.join(folder, PROGRAM)),
    path.join(ownEnvironment(home), 'bin', PROGRAM),
  ];
}

function named(
  setting: string,
  home: string,
  folders: readonly string[],
  searched: readonly string[],
): readonly string[] {
  const program = setting.replace(/^~(?=\/|$)/, home);
  if (program.includes(FOLDER)) {
    return folders.map((folder) => program.replaceAll(FOLDER, folder));
  }
  if (path.isAbsolute(program)) return [program];
  if (!program.includes('/')) return searched.map((folder) => path.join(folder, program));
  return folders.map((folder) => path.join(folder, program));
}
