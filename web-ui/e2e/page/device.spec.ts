import * as phone from '../support/phone.ts';
import { expect, test } from '../support/test.ts';

test('browsers that are signed in are listed and signed out', async ({ page, device }) => {
  await device.open('busy', 'device/sessions');
  const rows = page.locator('main li');
  await expect(rows).toHaveCount(3);
  await expect(rows.first()).toContainText('Chrome on Android');
  await expect(rows.first().getByText('This browser')).toBeVisible();
  await expect(rows.first().getByRole('button')).toHaveCount(0);
  await phone.button(page, 'Sign out: Safari on iOS, fd00::1c5d:4b6a:8f7e:2').click();
  await page.getByRole('dialog').getByRole('button', { name: 'Sign out' }).click();
  await expect(rows).toHaveCount(2);
  await expect(page.getByText('Safari on iOS')).toBeHidden();
  await phone.button(page, 'Sign out all others').click();
  await page.getByRole('dialog').getByRole('button', { name: 'Sign out all others' }).click();
  await expect(page.getByText('Nobody else is signed in.')).toBeVisible();
  await expect(rows).toHaveCount(1);
});

test('a token is shown once and revoked', async ({ page, device }) => {
  await device.open('busy', 'device/tokens');
  await page.getByLabel('What is it for?').fill('script');
  await phone.button(page, 'Make a token').click();
  await expect(page.getByText(/^cst_/)).toBeVisible();
  await page.reload();
  await expect(page.getByText('script', { exact: true })).toBeVisible();
  await expect(page.getByText(/^cst_/)).toBeHidden();
  await phone.button(page, 'Revoke: script').click();
  await page.getByRole('dialog').getByRole('button', { name: 'Revoke' }).click();
  await expect(page.getByText('No tokens yet.')).toBeVisible();
});

test('the log is there, goes on, and is downloaded', async ({ page, device }) => {
  await device.open('busy', 'device/log');
  const lines = page.getByRole('region', { name: 'Lines of the log' }).getByRole('listitem');
  await expect(lines.filter({ hasText: 'disk "films" is online' })).toHaveCount(1);
  await page.request.post('/dev/do', { data: { line: 'something new' } });
  await expect(lines.filter({ hasText: 'something new' })).toHaveCount(1);
  await page.getByLabel('Show', { exact: true }).selectOption('warn');
  await expect(lines).toHaveCount(1);
  const download = page.waitForEvent('download');
  await phone.button(page, 'Download').click();
  expect((await download).suggestedFilename()).toBe('cloud-stick.log');
});

test('the doctor says what to do', async ({ page, device }) => {
  await device.open('busy', 'device/doctor');
  await phone.button(page, 'Check now').click();
  await expect(page.getByText('allow NTP (UDP port 123) out of this network')).toBeVisible();
  await page.reload();
  await expect(page.getByText('allow NTP (UDP port 123) out of this network')).toBeVisible();
});

test('earlier settings come back', async ({ page, device }) => {
  await device.open('busy', 'device/versions');
  await phone.button(page, 'Go back: Version 1').click();
  await page.getByRole('dialog').getByRole('button', { name: 'Go back' }).click();
  await expect(page.getByText('The earlier settings are in force.')).toBeVisible();
  await expect(page.getByText('back to version 1')).toBeVisible();
});

test('back-ups go out and come in as files', async ({ page, device }) => {
  await device.open('busy', 'device/backup');
  const download = page.waitForEvent('download');
  await phone.button(page, 'Download').click();
  expect((await download).suggestedFilename()).toBe('cloud-stick.backup');
  await page.getByLabel('The file').setInputFiles({ name: 'x.backup', mimeType: '', buffer: Buffer.from([0, 255]) });
  await phone.button(page, 'Bring it back').click();
  await expect(page.getByText('The back-up is in force.')).toBeVisible();
});

test('ids of USB are checked before they are sent', async ({ page, device }) => {
  await device.open('busy', 'device/usb');
  await page.getByText('More settings').click();
  await page.getByLabel('Vendor id').fill('xyz');
  await phone.button(page, 'Save').click();
  await expect(page.getByText('Four digits from 0 to 9 and a to f.')).toBeVisible();
  await page.getByLabel('Vendor id').fill('0781');
  await page.getByLabel('Product', { exact: true }).fill('Films');
  await phone.button(page, 'Save').click();
  await expect(page.getByText('Saved.')).toBeVisible();
});

test('the password is changed, one signs out and in', async ({ page, device }) => {
  await device.open('busy', 'device/password');
  await page.getByLabel('Password until now', { exact: true }).fill('wrong');
  await page.getByLabel('New password', { exact: true }).fill('four new words here');
  await phone.button(page, 'Change it').click();
  await expect(page.getByText('the password is wrong').first()).toBeVisible();
  await page.getByLabel('Password until now', { exact: true }).fill('correct horse');
  await phone.button(page, 'Change it').click();
  await expect(page.getByText('Changed. Everybody else was signed out.')).toBeVisible();
  await phone.button(page, 'Sign out').click();
  await phone.signIn(page, 'correct horse');
  await expect(page.getByRole('alert')).toContainText('That is not right.');
  await phone.signIn(page, 'four new words here');
  await phone.expectScreen(page, 'Password');
});

test('the factory reset leads to the first screen', async ({ page, device }) => {
  await device.open('troubled', 'device/reset');
  await expect(page.getByText('Images on the card itself stay')).toBeHidden();
  await phone.button(page, 'Reset the device').click();
  await phone.confirmByTyping(page, 'living-room', 'Reset the device');
  await phone.expectScreen(page, 'Make it yours');
});

test('a device that overwrites what it knew is waited for', async ({ page, device }) => {
  await device.open('busy', 'device/reset');
  await expect(page.getByText('Images on the card itself stay')).toBeVisible();
  await phone.button(page, 'Reset the device').click();
  await phone.confirmByTyping(page, 'living-room', 'Reset the device');
  await phone.expectScreen(page, 'The device restarts');
  const asked = (what: 'requestfailed' | 'requestfinished'): Promise<unknown> =>
    page.waitForEvent(what as 'requestfinished', (request) => request.url().endsWith('/hello'));
  // It still answers for a moment.
  await asked('requestfinished');
  await phone.expectScreen(page, 'The device restarts');
  await device.happens({ cut: true });
  await asked('requestfailed');
  await device.happens({ cut: false });
  await phone.expectScreen(page, 'Make it yours');
});

const bundle = (text: string) => ({ name: 'x.swu', mimeType: '', buffer: Buffer.from(text) });

test('an update is installed from a file, tried, and told of', async ({ page, device }) => {
  await device.open('busy', 'device/update');
  await expect(page.getByText('Releases')).toBeVisible();
  await phone.button(page, 'Install the file').click();
  await expect(page.getByText('Choose the file first.')).toBeVisible();
  await page.getByLabel('Update file (.swu)').setInputFiles(bundle('0.4.0'));
  await phone.button(page, 'Install the file').click();
  await expect(page.getByText('The update is installed.')).toBeVisible();
  await phone.button(page, 'Restart now').click();
  await page.getByRole('dialog').getByRole('button', { name: 'Restart now' }).click();
  await expect(page.getByText('It is in force.')).toBeVisible();
});

test('a forged update is refused in words, an older one unless it is asked for', async ({ page, device }) => {
  await device.open('busy', 'device/update');
  await page.getByLabel('Update file (.swu)').setInputFiles(bundle('forged'));
  await phone.button(page, 'Install the file').click();
  await expect(page.getByRole('alert')).toContainText('not signed by anybody whom this device trusts');
  await page.getByLabel('Address').fill('https://example.org/old.swu');
  await phone.button(page, 'Fetch and install').click();
  await expect(page.getByRole('alert')).toContainText('older than what is running');
  await page.getByRole('switch', { name: 'Also an older version' }).click();
  await phone.button(page, 'Fetch and install').click();
  await expect(page.getByText('The update is installed.')).toBeVisible();
});

test('an update under way can be cancelled', async ({ page, device }) => {
  await device.open('busy', 'device/update');
  await device.happens({ slow: true });
  await page.getByLabel('Update file (.swu)').setInputFiles(bundle('0.4.0'));
  await phone.button(page, 'Install the file').click();
  await expect(page.getByRole('progressbar')).toBeVisible();
  await phone.button(page, 'Cancel').click();
  await expect(page.getByText('It was cancelled.')).toBeVisible();
});

test('a machine without slots shows nothing of updates', async ({ page, device }) => {
  await device.open('busy', 'device');
  await expect(page.getByRole('link', { name: /Another version of the system/ })).toBeVisible();
  await device.open('troubled', 'device');
  await page.reload();
  await expect(page.getByRole('link', { name: 'Factory reset' })).toBeVisible();
  await expect(page.getByRole('link', { name: /Another version of the system/ })).toBeHidden();
});
