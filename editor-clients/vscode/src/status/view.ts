// What the status bar shows.

import type { Phase } from '../server/supervisor.ts';

/** The server's `midspan/status`. */
export interface ServerStatus {
  readonly state: 'stopped' | 'starting' | 'loading' | 'ready' | 'failed' | 'off';
  readonly message: string;
  /** 0..1 while loading. */
  readonly progress: number;
  readonly model: string;
  /** Another server that completes, if one is configured. */
  readonly backend?: string;
}

export interface Situation {
  readonly phase: Phase;
  readonly status: ServerStatus | undefined;
  readonly isThinking: boolean;
  readonly isEnabled: boolean;
  /** The language of the active editor and whether it is on. */
  readonly language: string | undefined;
  readonly isLanguageOn: boolean;
  /** When snoozing ends, as a time of day. */
  readonly snoozedUntil: string | undefined;
}

export interface View {
  readonly text: string;
  readonly tooltip: string;
  readonly severity?: 'warning' | 'error';
}

const NAME = 'Midspan';

export function viewOf(situation: Situation): View {
  return troubleOf(situation) ?? silenceOf(situation) ?? workOf(situation);
}

function troubleOf({ phase, status }: Situation): View | undefined {
  if (phase === 'missing') {
    return error('The program midspan was not found. Click to install it or to say where it is.');
  }
  if (phase === 'failed') return error('The server keeps stopping. Click for the log.');
  if (phase === 'running' && status?.state === 'failed') return error(status.message);
  return undefined;
}

function silenceOf(situation: Situation): View | undefined {
  const { isEnabled, isLanguageOn, language, snoozedUntil } = situation;
  if (!isEnabled) return off('Midspan is off.');
  if (snoozedUntil !== undefined) {
    return { text: `$(bell-slash) ${NAME}`, tooltip: `Snoozing until ${snoozedUntil}.` };
  }
  if (language !== undefined && !isLanguageOn) return off(`Midspan is off for ${language}.`);
  return undefined;
}

function workOf({ phase, status, isThinking }: Situation): View {
  if (phase === 'waiting') {
    return { text: `$(sync~spin) ${NAME}`, tooltip: 'Starting again…', severity: 'warning' };
  }
  if (phase !== 'running') return busy('', phase === 'starting' ? 'Starting…' : 'Stopped.');
  switch (status?.state) {
    case 'off':
      return off(`No suggestions here: ${status.message}.`);
    case 'starting':
      return busy('', status.message || 'The engine is starting…');
    case 'loading': {
      const percent = `${Math.round(100 * status.progress)} %`;
      return busy(` ${percent}`, status.message || `Loading the model: ${percent}`);
    }
    default: {
      const who = [status?.model, status?.backend].filter(Boolean).join(', ');
      const tooltip = [who ? `Ready: ${who}.` : 'Ready.', status?.message]
        .filter(Boolean)
        .join(' ');
      return { text: `$(${isThinking ? 'loading~spin' : 'sparkle'}) ${NAME}`, tooltip };
    }
  }
}

function busy(more: string, tooltip: string): View {
  return { text: `$(loading~spin) ${NAME}${more}`, tooltip };
}

function off(tooltip: string): View {
  return { text: `$(circle-slash) ${NAME}`, tooltip };
}

function error(tooltip: string): View {
  return { text: `$(error) ${NAME}`, tooltip, severity: 'error' };
}
