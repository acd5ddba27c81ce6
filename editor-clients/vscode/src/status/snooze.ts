// Silence for a while.

import * as vscode from 'vscode';

const CHOICES = [5, 15, 60, 240] as const;

export class Snooze implements vscode.Disposable {
  private readonly changes = new vscode.EventEmitter<void>();
  readonly onDidChange = this.changes.event;
  private timer: NodeJS.Timeout | undefined;
  /** When it ends; nothing while it does not last. */
  until: Date | undefined;

  start(minutes: number): void {
    clearTimeout(this.timer);
    this.until = new Date(Date.now() + minutes * 60_000);
    this.timer = setTimeout(() => this.end(), minutes * 60_000);
    this.changes.fire();
  }

  end(): void {
    clearTimeout(this.timer);
    this.until = undefined;
    this.changes.fire();
  }

  /** Let the user choose for how long; while it lasts, end it. */
  async choose(): Promise<void> {
    if (this.until !== undefined) return this.end();
    const items = CHOICES.map((minutes) => ({
      label: minutes < 60 ? `${minutes} minutes` : `${minutes / 60} h`,
      minutes,
    }));
    const chosen = await vscode.window.showQuickPick(items, { title: 'No suggestions for' });
    if (chosen !== undefined) this.start(chosen.minutes);
  }

  dispose(): void {
    clearTimeout(this.timer);
    this.changes.dispose();
  }
}
