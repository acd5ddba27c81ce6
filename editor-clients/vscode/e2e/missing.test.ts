// The extension where the program is not installed.

import { after, before, test } from 'node:test';
import { VsCode } from './vscode.ts';

let code: VsCode;

before(async () => {
  code = await VsCode.start({
    files: { 'a.py': 'x = 1\n' },
    settings: { 'midspan.server.path': '/nowhere/midspan' },
  });
});

after(() => code?.stop());

test('a missing program is told, with what to do about it', async () => {
  await code.statusIs(/was not found/);
  const told = code.page.locator('.notification-list-item', { hasText: 'was not found' });
  await told.first().waitFor();
  await told.getByText('Choose the Program').first().waitFor();
  await code.screenshot('program missing');
});
