// The entry in the status bar.

import * as vscode from 'vscode';
import type { Supervisor } from '../server/supervisor.ts';
import { isEnabled, isLanguageOn } from '../settings.ts';
import type { Snooze } from './snooze.ts';
import { type ServerStatus, viewOf } from './view.ts';

/** Most answers are there before: without the wait the entry would blink at every keystroke. */
const THINKING_AFTER_MS = 400;

export class StatusBar implements vscode.Disposable {
  private readonly item: vscode.StatusBarItem;
  private readonly supervisor: Supervisor;
  private readonly snooze: Snooze;
  private readonly subscriptions: vscode.Disposable[];
  private engine: ServerStatus | undefined;
  /** What is off, and in which document. */
  private off: { readonly status: ServerStatus; readonly uri: string | undefined } | undefined;
  private requests = 0;
  private isThinking = false;
  private timer: NodeJS.Timeout | undefined;

  constructor(supervisor: Supervisor, snooze: Snooze) {
    this.supervisor = supervisor;
    this.snooze = snooze;
    this.item = vscode.window.createStatusBarItem('status', vscode.StatusBarAlignment.Right, 100);
    this.item.name = 'Midspan';
    this.item.command = 'midspan.menu';
    const draw = () => this.draw();
    this.subscriptions = [
      this.item,
      supervisor.onDidChangePhase((phase) => {
        if (phase !== 'running') this.engine = this.off = undefined;
        draw();
      }),
      snooze.onDidChange(draw),
      vscode.window.onDidChangeActiveTextEditor(draw),
      vscode.workspace.onDidChangeConfiguration(draw),
    ];
    draw();
    this.item.show();
  }

  /** The server's last word about the model, "" before there is one. */
  get model(): string {
    return this.engine?.model ?? '';
  }

  /** Show what the server says. */
  told(status: ServerStatus): void {
    if (status.state === 'off') this.off = { status, uri: activeUri() };
    else {
      this.engine = status;
      this.off = undefined;
    }
    this.draw();
  }

  /** Count requests that run. */
  thinking(change: 1 | -1): void {
    this.requests += change;
    clearTimeout(this.timer);
    if (this.requests === 0) this.showThinking(false);
    else this.timer = setTimeout(() => this.showThinking(true), THINKING_AFTER_MS);
  }

  dispose(): void {
    clearTimeout(this.timer);
    for (const one of this.subscriptions) one.dispose();
  }

  private showThinking(isThinking: boolean): void {
    if (this.isThinking === isThinking) return;
    this.isThinking = isThinking;
    this.draw();
  }

  private draw(): void {
    const document = vscode.window.activeTextEditor?.document;
    const view = viewOf({
      phase: this.supervisor.phase,
      status: this.off?.uri === activeUri() ? (this.off?.status ?? this.engine) : this.engine,
      isThinking: this.isThinking,
      isEnabled: isEnabled(),
      language: document?.languageId,
      isLanguageOn: document === undefined || isLanguageOn(document.languageId),
      snoozedUntil: this.snooze.until?.toLocaleTimeString([], { timeStyle: 'short' }),
    });
    this.item.text = view.text;
    this.item.tooltip = view.tooltip;
    this.item.accessibilityInformation = { label: `Midspan: ${view.tooltip}` };
    this.item.backgroundColor = view.severity
      ? new vscode.ThemeColor(`statusBarItem.${view.severity}Background`)
      : undefined;
  }
}

function activeUri(): string | undefined {
  return vscode.window.activeTextEditor?.document.uri.toString();
}
