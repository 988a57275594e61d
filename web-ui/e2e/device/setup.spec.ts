import type { Page } from '@playwright/test';

import type { Azurite } from '../real/azurite.ts';
import { expect, test } from '../real/test.ts';
import { pictureOf } from '../support/picture.ts';
import * as phone from '../support/phone.ts';

const password = 'four words in a row';

const azure = (connection: string): phone.StoreWish => ({
  kind: 'Azure page blobs',
  way: 'Connection string',
  values: { 'Connection string': connection },
});

/** Read by other code than the device's: a partition table, and FAT32 in its partition. */
async function expectFat32(cloud: Azurite, container: string, blob: string): Promise<void> {
  const table = await cloud.blob(container, blob, 0, 512);
  expect(table.subarray(510).toString('hex'), 'the mark of an MBR').toBe('55aa');
  const boot = await cloud.blob(container, blob, table.readUInt32LE(446 + 8) * 512, 512);
  expect(boot.subarray(82, 90).toString('latin1'), 'the file system').toBe('FAT32   ');
}

/** SETUP_PICTURES names a folder, docs/pictures for one, for a picture of each step. */
const picture = async (page: Page, step: string): Promise<void> => {
  const folder = process.env.SETUP_PICTURES;
  if (folder) await pictureOf(page, folder, `setup-${step}-phone-light`);
};

test.describe('as in the documentation', () => {
  test.use({ deviceScaleFactor: 1.5, colorScheme: 'light' });
  test('from a new device to a formatted stick in the cloud', async ({ page, real, cloud }) => {
    await page.goto(real.address);
    await phone.expectScreen(page, 'Make it yours');
    await picture(page, 'claim');
    await page.getByLabel('Claim code').fill(real.claimCode);
    await phone.button(page, 'Next').click();
    await phone.expectScreen(page, 'Password');
    await page.getByLabel('New password', { exact: true }).fill(password);
    await picture(page, 'password');
    await phone.button(page, 'Make it mine').click();
    await phone.nameDevice(page, 'kitchen');
    await phone.skipNetwork(page);
    await phone.fillStore(page, azure(cloud.connectionString()));
    await picture(page, 'store');
    await phone.testStore(page);
    await phone.makePlace(page, 'Container', 'whole-way');
    await picture(page, 'probe');
    await phone.keepStore(page);
    await page.getByLabel('Name of the image').fill('films');
    await picture(page, 'image');
    await phone.chooseNewImage(page, 'films');
    await picture(page, 'summary');
    await phone.makeStick(page);
    await phone.expectDone(page);
    await expectFat32(cloud, 'whole-way', 'films');
    await page.getByRole('link', { name: 'Go to the page of the stick' }).click();
    await phone.expectScreen(page, 'kitchen');
    await expect(page.getByRole('link', { name: 'films' })).toBeVisible();
  });
});

test('a stick in a file of the device', async ({ page, real }) => {
  await real.claimed(page, password);
  await page.goto(`${real.home}/#/setup/store`);
  await phone.fillStore(page, { kind: 'This device', values: { Folder: `${real.folder}/disks` } });
  await phone.testStore(page);
  await phone.keepStore(page);
  await phone.chooseNewImage(page, 'films');
  await phone.makeStick(page);
  await phone.expectDone(page);
});

test('a wrong code is refused, and the right one works in any spelling', async ({ page, real }) => {
  await page.goto(real.address);
  await phone.claim(page, { code: 'WRNG-WRNG', password });
  await expect(page.getByRole('alert')).toContainText('claim code');
  await phone.button(page, 'Back').click();
  await phone.claim(page, { code: real.claimCode.toLowerCase().replace('-', ' '), password });
  await phone.expectScreen(page, 'Name');
});

test('a wrong key and a signature that has expired are told apart from what works', async ({ page, real, cloud }) => {
  await real.claimed(page, password);
  await page.goto(`${real.home}/#/setup/store`);
  const wrong = Buffer.alloc(64, 7).toString('base64');
  await phone.fillStore(page, azure(cloud.connectionString({ key: wrong })));
  await phone.button(page, 'Test').click();
  await expect(page.getByRole('heading', { name: 'It does not work yet.' })).toBeVisible();
  await expect(page.getByText(wrong)).toBeHidden();

  const bySignature = (seconds: number): phone.StoreWish => ({
    kind: 'Azure page blobs',
    way: 'Shared access signature (SAS)',
    values: { 'SAS token or URL': `${cloud.endpoint()}?${cloud.sas(seconds)}` },
  });
  await phone.fillStore(page, bySignature(-3600));
  await phone.button(page, 'Test').click();
  await expect(page.getByText(/expired/).first()).toBeVisible();
  await expect(page.getByRole('heading', { name: 'It works.' })).toBeHidden();

  await phone.fillStore(page, bySignature(3600));
  await phone.testStore(page);
});

test('a name that is taken is told', async ({ page, real, cloud }) => {
  await real.claimed(page, password);
  await page.goto(`${real.home}/#/setup/store`);
  await phone.fillStore(page, azure(cloud.connectionString()));
  await phone.testStore(page);
  await phone.makePlace(page, 'Container', 'taken');
  await phone.keepStore(page);
  await phone.chooseNewImage(page, 'films');
  await phone.makeStick(page);
  await page.goto(`${real.home}/#/setup/image`);
  await page.reload();
  await page.getByLabel('Name of the image').fill('films');
  await expect(page.getByText('There is one of that name already.').first()).toBeVisible();
  await phone.button(page, 'Next').click();
  await phone.expectScreen(page, 'Your stick');
});

test('the set-up goes on after a reload at each step', async ({ page, real, cloud }) => {
  await page.goto(real.address);
  await page.reload();
  await phone.claim(page, { code: real.claimCode, password });
  await phone.expectScreen(page, 'Name');
  await page.reload();
  await phone.nameDevice(page, 'kitchen');
  await phone.expectScreen(page, 'Network');
  await page.reload();
  await phone.skipNetwork(page);
  await phone.fillStore(page, azure(cloud.connectionString()));
  await page.reload();
  await expect(page.getByText('Secrets do not survive a reload')).toBeVisible();
  await phone.fillStore(page, azure(cloud.connectionString()));
  await phone.testStore(page);
  await phone.makePlace(page, 'Container', 'reloaded');
  await phone.keepStore(page);
  await page.reload();
  await phone.chooseNewImage(page, 'films');
  await page.reload();
  const begun = page.waitForResponse((answer) => answer.url().endsWith('/images') && answer.status() === 202);
  await phone.button(page, 'Make my stick').click();
  await begun;
  await page.reload();
  await phone.expectScreen(page, 'Plug it in');
  await phone.expectDone(page);
});
