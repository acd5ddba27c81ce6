// The messages about next edits. Positions are in the units that client and server agreed on.

import type { Position, Range } from 'vscode-languageclient/node';

export type Reason = 'save' | 'manual' | 'accepted';
export type EventKind = 'shown' | 'jumped' | 'accepted' | 'dismissed' | 'stale';

export interface NextEdit {
  readonly id: string;
  readonly textDocument: { readonly uri: string; readonly version: number };
  readonly range: Range;
  readonly newText: string;
  readonly label?: string;
}

export interface NextEditParams {
  readonly textDocument: { readonly uri: string; readonly version: number };
  readonly position: Position;
  readonly reason: Reason;
}

export interface NextEditResult {
  readonly edits: readonly NextEdit[];
}

export const NEXT_EDIT = 'midspan/nextEdit';
export const NEXT_EDITS = 'midspan/nextEdits';
export const NEXT_EDIT_EVENT = 'midspan/nextEditEvent';

/** Whether the server's `capabilities.experimental` promise next edits. */
export function promisesNextEdits(experimental: unknown): boolean {
  const midspan = member(experimental, 'midspan');
  return member(midspan, 'nextEdit') === true;
}

function member(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null && key in value
    ? (value as Record<string, unknown>)[key]
    : undefined;
}
