// How often a server that crashes is started again.

const FIRST_MS = 1000;
const MOST_MS = 30_000;
const MOST_CRASHES = 6;
/** A server that ran for so long is well: what it dies of is another thing. */
const WELL_AFTER_MS = 120_000;

export class RestartPolicy {
  private crashes = 0;
  private startedAt = 0;

  /** Note that the server was started, `now` in milliseconds. */
  started(now: number): void {
    this.startedAt = now;
  }

  /** Return how long to wait before it is started again, in milliseconds; nothing to give up. */
  crashed(now: number): number | undefined {
    if (now - this.startedAt >= WELL_AFTER_MS) this.crashes = 0;
    this.crashes += 1;
    if (this.crashes > MOST_CRASHES) return undefined;
    return Math.min(FIRST_MS * 2 ** (this.crashes - 1), MOST_MS);
  }

  /** Forget all crashes: the user has asked. */
  reset(): void {
    this.crashes = 0;
  }
}
