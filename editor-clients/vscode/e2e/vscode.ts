// Real VS Code in a real browser: code-server with the packaged extension, seen through Chromium.

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { type Browser, chromium, type Page } from 'playwright-core';

const HERE = import.meta.dirname;
const TOOLS = process.env['MIDSPAN_VSCODE_TOOLS'] ?? path.join(HERE, '..', '.vscode-e2e');
const CODE_SERVER = path.join(TOOLS, 'node_modules/code-server/out/node/entry.js');
const VSIX = path.join(HERE, '..', 'midspan.vsix');
const OUTPUT = path.join(HERE, 'output');

/** For a machine that does much else at the same time. */
export const PATIENCE_MS = 60_000;

export const MIDSPAN =
  process.env['MIDSPAN'] ?? path.join(HERE, '..', '..', '..', '.venv', 'bin', 'midspan');

const SETTINGS = {
  'workbench.startupEditor': 'none',
  'workbench.reduceMotion': 'on',
  'workbench.tips.enabled': false,
  'workbench.secondarySideBar.defaultVisibility': 'hidden',
  'workbench.colorTheme': 'Default Dark Modern',
  'security.workspace.trust.enabled': false,
  'telemetry.telemetryLevel': 'off',
  'extensions.autoUpdate': false,
  'extensions.ignoreRecommendations': true,
  'chat.disableAIFeatures': true,
  'git.enabled': false,
  'editor.minimap.enabled': false,
  'editor.wordBasedSuggestions': 'off',
  'files.autoSave': 'off',
};

export interface Setup {
  /** Files of the workspace by name. */
  readonly files: Readonly<Record<string, string>>;
  readonly settings: Readonly<Record<string, unknown>>;
  /** Other extensions: files by name, in folders named `publisher.name-version`. */
  readonly extensions?: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** Whether `midspan` is to be found neither on the PATH nor in the home of who runs the tests. */
  readonly isAlone?: boolean;
}

/** One code-server with one workspace, open in one page. */
export class VsCode {
  readonly root: string;
  readonly page: Page;
  private readonly browser: Browser;
  private readonly server: ChildProcess;

  private constructor(root: string, server: ChildProcess, browser: Browser, page: Page) {
    this.root = root;
    this.server = server;
    this.browser = browser;
    this.page = page;
  }

  static async start(setup: Setup): Promise<VsCode> {
    const root = mkdtempSync(path.join(tmpdir(), 'midspan-vscode-'));
    const workspace = path.join(root, 'work');
    for (const folder of ['work', 'user/User', 'user/Machine', 'run', 'state', 'extensions']) {
      mkdirSync(path.join(root, folder), { recursive: true, mode: 0o700 });
    }
    for (const [name, text] of Object.entries(setup.files)) {
      writeFileSync(path.join(workspace, name), text);
    }
    for (const [folder, files] of Object.entries(setup.extensions ?? {})) {
      const place = path.join(root, 'extensions', folder);
      mkdirSync(place);
      for (const [name, text] of Object.entries(files)) writeFileSync(path.join(place, name), text);
    }
    const settings = JSON.stringify({ ...SETTINGS, ...setup.settings });
    // Settings that name programs are the machine's, not the user's.
    for (const whose of ['User', 'Machine']) {
      writeFileSync(path.join(root, 'user', whose, 'settings.json'), settings);
    }
    const port = await freePort();
    const server = codeServer(root, port, setup.isAlone ?? false);
    const browser = await chromium.launch({
      executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium',
      args: ['--no-sandbox', '--disable-gpu'],
    });
    const page = await browser.newPage({
      viewport: { width: 1200, height: 700 },
      reducedMotion: 'reduce',
    });
    await openWhenUp(page, `http://127.0.0.1:${port}/?folder=${workspace}`);
    return new VsCode(root, server, browser, page);
  }

  /** End everything that was started, the engine too. */
  async stop(): Promise<void> {
    await this.browser.close();
    const ended = new Promise((resolve) => this.server.once('exit', resolve));
    this.server.kill('SIGTERM');
    await ended;
    for (const pid of this.processes('')) process.kill(pid, 'SIGKILL');
    rmSync(this.root, { recursive: true, force: true, maxRetries: 5 });
  }

  /** Processes under this editor, by its own environment, whose command line holds `part`. */
  processes(part: string): number[] {
    const mark = `MIDSPAN_STATE=${path.join(this.root, 'state')}\0`;
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .filter((pid) => readProc(pid, 'environ').includes(mark))
      .filter((pid) => readProc(pid, 'cmdline').replaceAll('\0', ' ').includes(part))
      .map(Number);
  }

  async openFile(name: string): Promise<void> {
    await this.openEditor(name, '.monaco-editor.focused .view-line');
  }

  /** Open a file and wait for what the editor shows of it. */
  async openEditor(name: string, shows: string): Promise<void> {
    await this.page.keyboard.press('Control+P');
    await this.quickInput(name);
    await this.page.locator('.quick-input-list .monaco-list-row', { hasText: name }).waitFor();
    await this.page.keyboard.press('Enter');
    await this.page.locator('.tab.active', { hasText: name }).waitFor();
    await this.page.locator(shows).first().waitFor();
  }

  /** Run a command by its title. */
  async run(title: string): Promise<void> {
    await this.page.keyboard.press('F1');
    await this.quickInput(`>${title}`);
    await this.page.locator('.quick-input-list .monaco-list-row', { hasText: title }).waitFor();
    await this.page.keyboard.press('Enter');
    await this.page.locator('.quick-input-widget').waitFor({ state: 'hidden' });
  }

  /** Put the cursor at a place, both numbers from 1. */
  async goTo(line: number, column: number): Promise<void> {
    await this.page.keyboard.press('Control+G');
    await this.quickInput(`:${line}:${column}`);
    await this.page.keyboard.press('Enter');
    await this.page.getByText(`Ln ${line}, Col ${column}`, { exact: true }).waitFor();
    await this.page.locator('.monaco-editor.focused').first().waitFor();
  }

  private async quickInput(text: string): Promise<void> {
    const input = this.page.locator('.quick-input-widget input[type=text]').first();
    await input.waitFor();
    await input.fill(text);
  }

  /** Type as a person does; the popup of VS Code is sent away by what follows, not by us. */
  async type(text: string): Promise<void> {
    await this.page.keyboard.type(text, { delay: 30 });
  }

  /** The ghost text on the screen, all its lines; "" for none. */
  async ghost(): Promise<string> {
    return this.page.evaluate(() =>
      [
        // The rest of the cursor's line comes in pieces, one for each colour.
        [...document.querySelectorAll('.ghost-text-decoration')]
          .map((one) => one.textContent)
          .join(''),
        ...[...document.querySelectorAll('.suggest-preview-text .view-line')].map(
          (one) => one.textContent,
        ),
      ]
        .join('\n')
        .replaceAll('\u00a0', ' '),
    );
  }

  /** Wait for ghost text and return it. */
  async ghostShown(): Promise<string> {
    await until(async () => (await this.ghost()).trim() !== '', 'there is no ghost text');
    return this.ghost();
  }

  async ghostGone(): Promise<void> {
    await until(async () => (await this.ghost()) === '', 'the ghost text stays');
  }

  /** Save the open file and return what is in it then. */
  async saved(name: string): Promise<string> {
    await this.page.keyboard.press('Control+S');
    await this.page.locator('.tab.active.dirty').waitFor({ state: 'detached' });
    return readFileSync(path.join(this.root, 'work', name), 'utf8');
  }

  async status(): Promise<string> {
    const item = this.page.locator('.statusbar-item[id*="midspan"]').first();
    return (await item.getAttribute('aria-label')) ?? '';
  }

  async statusIs(pattern: RegExp): Promise<void> {
    let last = '';
    const isThere = async () => {
      last = await this.status();
      return pattern.test(last);
    };
    await until(isThere, () => `the status bar says ${JSON.stringify(last)}, not ${pattern}`);
  }

  /** Keep what is on the screen, for people to look at. */
  async screenshot(name: string): Promise<void> {
    mkdirSync(OUTPUT, { recursive: true });
    await this.page.screenshot({ path: path.join(OUTPUT, `${name}.png`) });
  }

  /** The log of the extension, and what code-server said. */
  log(): string {
    const folder = path.join(this.root, 'user/logs');
    if (!existsSync(folder)) return '';
    const names = readdirSync(folder, { recursive: true, encoding: 'utf8' });
    return names
      .filter((name) => name.endsWith('Midspan.log'))
      .map((name) => readFileSync(path.join(folder, name), 'utf8'))
      .join('\n');
  }
}

/** Wait until `is` says so. */
export async function until(
  is: () => boolean | Promise<boolean>,
  otherwise: string | (() => string),
  patienceMs = PATIENCE_MS,
): Promise<void> {
  const end = Date.now() + patienceMs;
  while (!(await is())) {
    if (Date.now() > end) {
      throw new Error(typeof otherwise === 'string' ? otherwise : otherwise());
    }
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

function codeServer(root: string, port: number, isAlone: boolean): ChildProcess {
  const folders = [
    `--user-data-dir=${path.join(root, 'user')}`,
    `--extensions-dir=${path.join(root, 'extensions')}`,
  ];
  const env = {
    ...process.env,
    ...(isAlone ? { HOME: root, PATH: `${path.dirname(process.execPath)}:/usr/bin:/bin` } : {}),
    XDG_RUNTIME_DIR: path.join(root, 'run'),
    MIDSPAN_STATE: path.join(root, 'state'),
    // Its own, not the one of a VS Code that these tests may run in.
    VSCODE_IPC_HOOK_CLI: undefined,
  };
  const config = `--config=${path.join(root, 'config.yaml')}`;
  writeFileSync(path.join(root, 'config.yaml'), 'cert: false\n');
  const install = [CODE_SERVER, config, ...folders, '--install-extension', VSIX];
  execFileSync(process.execPath, install, { env, stdio: ['ignore', 'ignore', 'inherit'] });
  // Desktop VS Code has no such thing between a key and its extensions.
  const plain = '--vscode-option=disable-websocket-compression';
  const more = [
    plain,
    '--auth=none',
    '--disable-telemetry',
    '--disable-update-check',
    '--log=info',
  ];
  const bind = `--bind-addr=127.0.0.1:${port}`;
  const args = [CODE_SERVER, config, bind, ...more, ...folders, '--disable-workspace-trust'];
  return spawn(process.execPath, args, { env, stdio: 'ignore' });
}

async function openWhenUp(page: Page, url: string): Promise<void> {
  const isUp = () =>
    fetch(url, { redirect: 'manual' }).then(
      () => true,
      () => false,
    );
  await until(isUp, 'code-server does not answer');
  page.setDefaultTimeout(PATIENCE_MS);
  await page.goto(url);
  await page.locator('.statusbar-item[id*="midspan"]').first().waitFor();
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no port is free');
  return address.port;
}

function readProc(pid: string, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    // It has ended, or is somebody else's.
    return '';
  }
}
