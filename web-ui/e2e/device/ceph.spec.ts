import { foreignKey, type Ceph } from '../real/ceph.ts';
import { expect, test } from '../real/test.ts';
import { freePort } from '../real/process.ts';
import * as phone from '../support/phone.ts';

const password = 'four words in a row';

// One after the other: together they use one cluster.
test.describe.configure({ mode: 'default' });

const pasted = (conf: string, keyring: string): phone.StoreWish => ({
  kind: 'A pool of RBD images',
  way: 'ceph.conf and keyring',
  values: { 'ceph.conf': conf, Keyring: keyring },
});

const withKey = (ceph: Ceph, key: string): string => `[client.${ceph.user}]\n\tkey = ${key}\n`;

test('from a new device to a formatted stick in a cluster', async ({ page, real, ceph }) => {
  ceph.tool('rbd', 'create', '--size', '16M', `${ceph.pool}/older`);
  await page.goto(real.address);
  await phone.claim(page, { code: real.claimCode, password });
  await phone.nameDevice(page, 'kitchen');
  await phone.skipNetwork(page);
  await phone.fillStore(page, pasted(ceph.minimalConf(), ceph.keyring));
  await phone.testStore(page);
  await expect(page.getByRole('radio', { name: `${ceph.pool}-data`, exact: true })).toBeVisible();
  // The rights in the pool are tested before anything is kept.
  await page.getByRole('radio', { name: ceph.pool, exact: true }).check();
  await phone.testStore(page);
  await expect(page.getByText('right to list images')).toBeVisible();
  await phone.keepStore(page);

  await page.getByRole('radio', { name: 'Take one that is there' }).check();
  await expect(page.getByRole('radio', { name: /^older/ })).toBeEnabled();
  await page.getByRole('radio', { name: 'Make a new one' }).check();
  await page.getByRole('radio', { name: 'Another size' }).check();
  await page.getByLabel('Size in GB').fill('0.1');
  await page.getByRole('radio', { name: 'FAT32' }).check();
  await phone.chooseNewImage(page, 'films');
  await expect(page.getByText('100 MB')).toBeVisible();
  await phone.makeStick(page);
  await phone.expectDone(page);

  expect(ceph.tool('rbd', 'ls', ceph.pool).split('\n')).toContain('films');
  expect(ceph.tool('rbd', 'info', `${ceph.pool}/films`)).toMatch(/size 9\d(\.\d+)? MiB/);
  await page.getByRole('link', { name: 'Go to the page of the stick' }).click();
  await phone.expectScreen(page, 'kitchen');
  await expect(page.getByRole('link', { name: 'films' })).toBeVisible();
  expect(ceph.checkFat('films')).toMatch(/: 0 files|: 1 files/);
});

test('a key in the ceph.conf is refused, and neither kept nor shown', async ({ page, real, ceph }) => {
  await real.claimed(page, password);
  await page.goto(`${real.home}/#/setup/store`);
  const conf = `${ceph.minimalConf()}${withKey(ceph, foreignKey)}`;
  await phone.fillStore(page, pasted(conf, ceph.keyring));
  await phone.button(page, 'Test').click();
  await expect(page.getByText(/line 6 holds a key or password/).first()).toBeVisible();
  await expect(page.getByText(/into the field "Keyring"/).first()).toBeVisible();
  await expect(phone.field(page, 'ceph.conf')).toHaveAttribute('aria-invalid', 'true');
  await expect(page.getByRole('heading', { name: 'It works.' })).toBeHidden();
  const stored = await page.evaluate(() => JSON.stringify({ ...sessionStorage, ...localStorage }));
  expect(stored).not.toContain(foreignKey);
  expect(real.log).not.toContain(foreignKey);

  await phone.field(page, 'ceph.conf').fill(ceph.minimalConf());
  await phone.testStore(page);
});

test('a wrong key and monitors that do not answer are told, with what to do', async ({ page, real, ceph }) => {
  await real.claimed(page, password);
  await page.goto(`${real.home}/#/setup/store`);
  await phone.fillStore(page, pasted(ceph.minimalConf(), withKey(ceph, foreignKey)));
  await phone.button(page, 'Test').click();
  await expect(page.getByRole('heading', { name: 'It does not work yet.' })).toBeVisible();
  await expect(page.getByText(`does not accept client.${ceph.user} with this key`)).toBeVisible();
  await expect(page.getByText('correct user and key')).toBeVisible();
  await expect(page.getByText(foreignKey)).toBeHidden();

  const nobody = `127.0.0.1:${await freePort()}`;
  await phone.fillStore(page, pasted(ceph.minimalConf(nobody), ceph.keyring));
  await phone.button(page, 'Test').click();
  await expect(page.getByText(/no monitor answered in time/)).toBeVisible({ timeout: 90_000 });
  await expect(page.getByText(/check addresses, ports \(3300 and 6789\)/)).toBeVisible();

  await phone.fillStore(page, pasted(ceph.minimalConf(), ceph.keyring));
  await phone.testStore(page);
});
