// What the tests tell the scripted server.

import type { Reason } from '../src/nextEdit/protocol.ts';

export interface ScriptedEdit {
  /** What it replaces: the first place of this text. */
  readonly old: string;
  readonly text: string;
  readonly label?: string;
}

export interface Script {
  /** What inline completions say; absent: the line that they were made for. */
  readonly insert?: string;
  /** Answers inline completions after a random time up to this one; absent: with none. */
  readonly slowestMs?: number;
  /** The same after exactly this time. */
  readonly exactMs?: number;
  readonly edits?: Partial<Record<Reason, ScriptedEdit>>;
  /** How long a next edit is held back. */
  readonly slowEditMs?: number;
}
