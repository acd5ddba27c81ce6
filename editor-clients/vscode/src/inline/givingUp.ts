// When VS Code ends a request for its own reasons, and not because the user wants nothing.

/**
 * VS Code waits 10 ms after a key, and then 750 ms for ghost text before it shows its popup instead
 * (`editor.quickSuggestions`: `offWhenInlineCompletions`). Both ends of the message's way may be late.
 */
const EARLIEST_MS = 690;
const LATEST_MS = 1100;

/** Whether a request that is ended so long after the change of the text was given up, in milliseconds. */
export function isGivenUp(sinceChangeMs: number): boolean {
  return sinceChangeMs >= EARLIEST_MS && sinceChangeMs <= LATEST_MS;
}
