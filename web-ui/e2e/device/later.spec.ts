/** After the set-up: what an owner does with a device that has a disk. */
import { readFileSync } from 'node:fs';

import type { Page } from '@playwright/test';

import { expect, test } from '../real/test.ts';
import * as phone from '../support/phone.ts';

const password = 'four words in a row';

/** What a click on "Download" brings, as text. */
async function downloaded(page: Page): Promise<{ path: string; text: string }> {
  const download = page.waitForEvent('download');
  await phone.button(page, 'Download').click();
  const path = await (await download).path();
  return { path, text: readFileSync(path, 'latin1') };
}

test('a disk is kept: snapshots, size, limits', async ({ page, real }) => {
  await real.claimed(page, password);
  await real.withDisk(page, 'films');
  await page.goto(`${real.home}/#/disks/films`);
  await page.getByLabel('What to call it').fill('Before the holidays');
  await phone.button(page, 'Take a snapshot').click();
  await phone.button(page, 'Open: Before the holidays').click();
  await page.getByRole('dialog').getByRole('button', { name: 'Open' }).click();
  await expect(page.getByText('The snapshot is in the stick.')).toBeVisible();

  await page.getByLabel('New size in GB').fill('0.5');
  await phone.button(page, 'Change the size').click();
  await expect(page.getByText('Now it has 500 MB.')).toBeVisible();

  await page.getByLabel('Read (MB/s)').fill('2.5');
  await phone.button(page, 'Save').click();
  await expect(page.getByText('Saved.').last()).toBeVisible();
  await page.reload();
  await expect(page.getByLabel('Read (MB/s)')).toHaveValue('2.5');

  // The snapshot is a disk of its own, in a slot of its own, and nobody writes it.
  await page.goto(`${real.home}/#/disks`);
  const slots = page.getByRole('region', { name: 'Slots of the stick' }).getByRole('listitem');
  await expect(slots).toHaveCount(2);
  await page.getByRole('link', { name: /@/ }).click();
  await expect(page.getByRole('switch', { name: 'Read-only' })).toBeChecked();
  await phone.button(page, 'Remove the disk').click();
  await page.getByRole('dialog').waitFor();
  const name = await page.getByRole('heading', { level: 1 }).innerText();
  await phone.confirmByTyping(page, name, 'Remove the disk');

  await page.goto(`${real.home}/#/disks/films`);
  await phone.button(page, 'Go back: Before the holidays').click();
  await phone.confirmByTyping(page, 'films', 'Go back');
  await expect(page.getByText('Now it has 268 MB.')).toBeVisible();
});

test('a back-up that only its passphrase opens brings a lost disk back', async ({ page, real, cloud }) => {
  await real.claimed(page, password);
  await real.withDisk(page, 'films');
  await page.goto(`${real.home}/#/setup/store`);
  const values = { 'Connection string': cloud.connectionString() };
  await phone.fillStore(page, { kind: 'Azure page blobs', way: 'Connection string', values });
  await phone.testStore(page);
  await phone.makePlace(page, 'Container', 'back-up');
  await phone.keepStore(page);

  await page.goto(`${real.home}/#/device/backup`);
  await page.reload();
  const plain = await downloaded(page);
  expect(plain.text).toContain('films');
  expect(plain.text, 'without a passphrase, secrets are left out').not.toContain(cloud.key);
  await phone.field(page, 'Passphrase').fill('a long passphrase');
  const sealed = await downloaded(page);
  expect(sealed.text, 'with one, all is encrypted').not.toMatch(/films|AccountKey/);

  await page.goto(`${real.home}/#/disks/films`);
  await phone.button(page, 'Remove the disk').click();
  await phone.confirmByTyping(page, 'films', 'Remove the disk');
  await expect(page.getByText('There are no disks yet.')).toBeVisible();
  await page.goto(`${real.home}/#/stores/azure`);
  await phone.button(page, 'Forget').click();
  await phone.confirmByTyping(page, 'azure', 'Forget');
  await phone.expectScreen(page, 'Disks');

  await page.goto(`${real.home}/#/device/backup`);
  await page.getByLabel('The file').setInputFiles(sealed.path);
  await phone.field(page, 'Its passphrase, if it has one').fill('another passphrase');
  await phone.button(page, 'Bring it back').click();
  await expect(page.getByText('the passphrase is not that of this back-up').first()).toBeVisible();
  await phone.field(page, 'Its passphrase, if it has one').fill('a long passphrase');
  await phone.button(page, 'Bring it back').click();
  await expect(page.getByText('The back-up is in force.')).toBeVisible();
  await page.goto(`${real.home}/#/disks/films`);
  await expect(page.getByText('Online')).toBeVisible();
  // With its secret, so that the store works.
  await page.goto(`${real.home}/#/stores/azure`);
  await phone.button(page, 'Change settings').click();
  await phone.testStore(page);
});

test('a blob with a hostile name is text on every screen', async ({ page, real, cloud }) => {
  const hostile = `<img src=x onerror="window.hacked=1">'&amp;`;
  await cloud.makePageBlob('hostile', hostile, 2 ** 20);
  await real.claimed(page, password);
  await page.goto(`${real.home}/#/setup/store`);
  const values = { 'Connection string': cloud.connectionString() };
  await phone.fillStore(page, { kind: 'Azure page blobs', way: 'Connection string', values });
  await phone.testStore(page);
  await phone.keepStore(page, 'hostile');
  await page.getByRole('radio', { name: 'Take one that is there' }).check();
  await page.getByRole('radio', { name: hostile }).check();
  await page.getByLabel('What to call this disk here').fill('films');
  await phone.button(page, 'Next').click();
  await expect(page.getByText(hostile).first()).toBeVisible();
  await phone.button(page, 'Use it').click();
  await phone.expectDone(page);
  for (const place of ['', 'disks', 'disks/films', 'device/log']) {
    await page.goto(`${real.home}/#/${place}`);
    await page.reload();
    await expect(page.getByText(hostile).first()).toBeVisible();
  }
  expect(await page.evaluate(() => 'hacked' in window)).toBe(false);
});

test('the log goes on while it is looked at, and leaves without secrets; the doctor looks at everything', async ({
  page,
  real,
  cloud,
}) => {
  await real.claimed(page, password);
  await page.goto(`${real.home}/#/device/log`);
  const lines = page.getByRole('region', { name: 'Lines of the log' }).getByRole('listitem');
  await expect(lines.filter({ hasText: 'is up' })).toHaveCount(1);
  // In another tab, the owner sets up stores, the second with a key that is not right.
  const other = await page.context().newPage();
  await other.goto(`${real.home}/#/setup/store`);
  const wrong = Buffer.alloc(64, 9).toString('base64');
  const bySecret = (key: string): phone.StoreWish => ({
    kind: 'Azure page blobs',
    way: 'Account and key',
    values: { Account: cloud.account, Key: key, Endpoint: cloud.endpoint() },
    open: true,
  });
  await phone.fillStore(other, bySecret(cloud.key));
  await phone.testStore(other);
  await phone.makePlace(other, 'Container', 'logged');
  await phone.keepStore(other);
  await expect(lines.filter({ hasText: 'azure' }).first()).toBeVisible();
  await other.goto(`${real.home}/#/setup/store`);
  await other.reload();
  await phone.fillStore(other, bySecret(wrong));
  await phone.button(other, 'Test').click();
  await expect(other.getByRole('heading', { name: 'It does not work yet.' })).toBeVisible();
  await other.close();
  const { text } = await downloaded(page);
  expect(text).toContain('azure');
  for (const secret of [cloud.key, wrong, password]) expect(text + real.log).not.toContain(secret);

  await page.goto(`${real.home}/#/device/doctor`);
  await phone.button(page, 'Check now').click();
  await expect(page.getByText(/^Store azure/).first()).toBeVisible();
  await page.reload();
  await expect(page.getByText(/^Store azure/).first()).toBeVisible();
});

test('the factory reset leaves a device that nobody owns, with another code', async ({ page, real }) => {
  await real.claimed(page, password);
  await real.withDisk(page, 'films');
  await page.goto(`${real.home}/#/device/reset`);
  await phone.button(page, 'Reset the device').click();
  await phone.confirmByTyping(page, 'cloud-stick', 'Reset the device');
  await phone.claim(page, { code: real.claimedWith, password });
  await expect(page.getByRole('alert')).toContainText('claim code');
  await phone.button(page, 'Back').click();
  await phone.claim(page, { code: real.claimCode, password });
  await phone.expectScreen(page, 'Name');
  await page.goto(`${real.home}/#/disks`);
  await expect(page.getByText('There are no disks yet.')).toBeVisible();
});
