/** The shell command that installs `wheel` with its engine and fetches the weights. */
export function installCommand(environment: string, wheel: string): string {
  const bin = `${environment}/bin`;
  return [
    `python3 -m venv ${quoted(environment)}`,
    `${quoted(`${bin}/pip`)} install ${quoted(`${wheel}[engine]`)}`,
    `${quoted(`${bin}/midspan`)} pull`,
  ].join(' && ');
}

/** One word of a POSIX shell. */
export function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
