// Messages between the extension and the server, and when they passed.

/** Times in milliseconds since 1970. */
export interface Passed {
  readonly direction: 'in' | 'out';
  readonly id: number | undefined;
  readonly method: string | undefined;
  readonly at: number;
}
