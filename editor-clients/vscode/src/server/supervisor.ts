// Finds the server, runs it and starts it again when it has crashed.

import { access, constants } from 'node:fs/promises';
import * as os from 'node:os';
import * as vscode from 'vscode';
import type { LanguageClient } from 'vscode-languageclient/node';
import { type ClientParts, createClient } from './client.ts';
import { places } from './locate.ts';
import { selectedInterpreter } from './pythonExtension.ts';
import { RestartPolicy } from './restart.ts';

export type Phase = 'stopped' | 'starting' | 'running' | 'waiting' | 'failed' | 'missing';

export interface SupervisorParts {
  readonly output: vscode.LogOutputChannel;
  readonly inline: ClientParts['inline'];
  /** Called with a client before it starts; what it returns is disposed of when it ends. */
  readonly attach: (client: LanguageClient) => vscode.Disposable;
  /** Called once it has started. */
  readonly started: (client: LanguageClient) => vscode.Disposable;
}

export class Supervisor implements vscode.Disposable {
  private readonly parts: SupervisorParts;
  private readonly policy = new RestartPolicy();
  private readonly phases = new vscode.EventEmitter<Phase>();
  readonly onDidChangePhase = this.phases.event;
  private run: Run | undefined;
  private timer: NodeJS.Timeout | undefined;
  private hasToldCrash = false;
  /** The program that runs or ran last. */
  program: string | undefined;
  phase: Phase = 'stopped';

  constructor(parts: SupervisorParts) {
    this.parts = parts;
  }

  get client(): LanguageClient | undefined {
    return this.phase === 'running' ? this.run?.client : undefined;
  }

  /** Start the server; without a program the phase is `missing`. */
  async start(): Promise<void> {
    this.enter('starting');
    this.program = await findProgram();
    if (this.program === undefined) {
      this.parts.output.warn('the program midspan was not found');
      this.enter('missing');
      return;
    }
    const run = this.newRun(this.program);
    this.run = run;
    this.policy.started(Date.now());
    try {
      await run.client.start();
    } catch (error) {
      this.parts.output.error(`the server did not start: ${String(error)}`);
      this.ended(run);
      return;
    }
    if (this.run !== run) return;
    this.enter('running');
    run.with.push(this.parts.started(run.client));
  }

  /** Stop what runs, look for the program again and start it. */
  async restart(): Promise<void> {
    this.policy.reset();
    await this.stop();
    await this.start();
  }

  async stop(): Promise<void> {
    clearTimeout(this.timer);
    const run = this.run;
    this.run = undefined;
    this.enter('stopped');
    if (run === undefined) return;
    disposeOf(run);
    if (run.client.needsStop()) await run.client.stop();
  }

  dispose(): void {
    this.phases.dispose();
  }

  private newRun(program: string): Run {
    const { output, inline } = this.parts;
    const client = createClient({ program, output, inline, closed: () => this.ended(run) });
    const run: Run = { client, with: [] };
    run.with.push(this.parts.attach(client));
    return run;
  }

  /** A run is over and nobody asked for it. Told by the client once or twice. */
  private ended(run: Run): void {
    if (this.run !== run) return;
    this.run = undefined;
    disposeOf(run);
    const wait = this.policy.crashed(Date.now());
    if (wait === undefined) {
      this.enter('failed');
      void this.say('Midspan has stopped and will not be started again by itself.', 'Restart');
      return;
    }
    this.parts.output.warn(`the server has ended; it is started again in ${wait} ms`);
    this.enter('waiting');
    this.timer = setTimeout(() => void this.start(), wait);
    if (!this.hasToldCrash) void this.say('Midspan has stopped unexpectedly; starting it again.');
    this.hasToldCrash = true;
  }

  private async say(message: string, ...actions: string[]): Promise<void> {
    const answer = await vscode.window.showWarningMessage(message, ...actions, 'Show Log');
    if (answer === 'Restart') await this.restart();
    else if (answer !== undefined) this.parts.output.show();
  }

  private enter(phase: Phase): void {
    this.phase = phase;
    this.phases.fire(phase);
  }
}

interface Run {
  readonly client: LanguageClient;
  readonly with: vscode.Disposable[];
}

function disposeOf(run: Run): void {
  for (const one of run.with.splice(0)) one.dispose();
}

async function findProgram(): Promise<string | undefined> {
  const { workspace } = vscode;
  const folders = workspace.isTrusted ? (workspace.workspaceFolders ?? []) : [];
  const candidates = places({
    setting: workspace.getConfiguration('midspan').get('server.path', ''),
    home: os.homedir(),
    interpreter: workspace.isTrusted ? await selectedInterpreter() : undefined,
    folders: folders.map(({ uri }) => uri.fsPath),
    searchPath: process.env['PATH'] ?? '',
  });
  for (const candidate of candidates) {
    if (await isExecutable(candidate)) return candidate;
  }
  return undefined;
}

async function isExecutable(file: string): Promise<boolean> {
  return access(file, constants.X_OK).then(
    () => true,
    () => false,
  );
}
