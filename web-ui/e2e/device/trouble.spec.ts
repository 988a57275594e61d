import { near } from '../real/cable.ts';
import { expect, test } from '../real/test.ts';
import * as phone from '../support/phone.ts';

const password = 'four words in a row';

test('the phone loses the device in the middle, and goes on', async ({ page, real }) => {
  await real.claimed(page, password);
  await page.goto(`${real.home}/#/device/name`);
  await page.getByLabel('Name of the device').fill('half-typed');
  real.cut();
  await expect(page.getByText('No connection to the device.')).toBeVisible();
  real.mend();
  await expect(page.getByText('No connection to the device.')).toBeHidden();
  await expect(page.getByLabel('Name of the device')).toHaveValue('half-typed');
  await phone.button(page, 'Save').click();
  await expect(page.getByText('half-typed.local').last()).toBeVisible();
  await page.goto(`${real.home}/#/`);
  await phone.expectScreen(page, 'half-typed');
});

test('the device loses the cloud in the middle, and says so until it is back', async ({ page, cable, real, cloud }) => {
  await real.claimed(page, password);
  await page.goto(`${real.home}/#/setup/store`);
  const wish = {
    kind: 'Azure page blobs',
    way: 'Connection string',
    values: { 'Connection string': cloud.connectionString({ host: near }) },
  };
  await phone.fillStore(page, wish);
  cable.pull();
  await phone.button(page, 'Test').click();
  await expect(page.getByRole('heading', { name: 'It does not work yet.' })).toBeVisible({ timeout: 60_000 });
  cable.plug();
  await phone.testStore(page);
  await phone.makePlace(page, 'Container', 'far-away');
  await phone.keepStore(page);
  await phone.chooseNewImage(page, 'films');
  await phone.makeStick(page);
  await phone.expectDone(page);
  await page.goto(`${real.home}/#/disks/films`);
  await expect(page.getByText('Online')).toBeVisible();
});

test('a session ends with the password of another browser', async ({ page, real, browser }) => {
  await real.claimed(page, password);
  await page.goto(real.home);
  await phone.expectScreen(page, 'cloud-stick');
  const other = await browser.newPage();
  await other.goto(real.home);
  await phone.signIn(other, 'not the password');
  await expect(other.getByRole('alert')).toContainText('wrong');
  await phone.signIn(other, password);
  await other.goto(`${real.home}/#/device/password`);
  await phone.field(other, 'Password until now').fill(password);
  await other.getByLabel('New password', { exact: true }).fill('five words in a row');
  await phone.button(other, 'Change it').click();
  await phone.expectScreen(page, 'Welcome back');
  await other.close();
});

test('a browser is signed out from another one', async ({ page, real, browser }) => {
  await real.claimed(page, password);
  const lost = await browser.newContext({
    userAgent: 'Mozilla/5.0 (iPhone; CPU iPhone OS 18_1) Version/18.1 Safari/604.1',
  });
  const other = await lost.newPage();
  await other.goto(real.home);
  await phone.signIn(other, password);
  await phone.expectScreen(other, 'cloud-stick');

  await page.goto(`${real.home}/#/device/sessions`);
  const rows = page.locator('main li');
  await expect(rows).toHaveCount(2);
  await expect(rows.filter({ hasText: 'This browser' })).toContainText('Linux');
  await expect(rows.filter({ hasText: 'Safari on iOS' })).toContainText('127.0.0.1');
  await phone.button(page, /^Sign out: Safari on iOS/).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Sign out' }).click();
  await expect(page.getByText('Nobody else is signed in.')).toBeVisible();
  await phone.expectScreen(other, 'Welcome back');
  await lost.close();
});
