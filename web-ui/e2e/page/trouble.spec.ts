import { evil } from '../../dev/scenes.ts';
import * as phone from '../support/phone.ts';
import { expect, test } from '../support/test.ts';

test('a lost connection is told, comes back by itself, and costs no form', async ({ page, device }) => {
  await device.open('busy', 'device/usb');
  await page.getByLabel('Product', { exact: true }).fill('Half typed');
  await device.happens({ cut: true });
  await expect(page.getByText('No connection to the device.')).toBeVisible();
  await phone.button(page, 'Save').click();
  await expect(page.getByRole('alert')).toContainText('No answer.');
  await device.happens({ cut: false });
  await expect(page.getByText('No connection to the device.')).toBeHidden();
  await expect(page.getByLabel('Product', { exact: true })).toHaveValue('Half typed');
  await phone.button(page, 'Save').click();
  await expect(page.getByText('Saved.')).toBeVisible();
});

test('a device that does not answer at first is waited for', async ({ page, device }) => {
  await device.open('busy');
  await device.happens({ cut: true });
  await page.reload();
  await phone.expectScreen(page, 'The device does not answer');
  await device.happens({ cut: false });
  await phone.expectScreen(page, 'living-room');
});

test('a session that ended leads to the password and back', async ({ page, device }) => {
  await device.open('busy', 'device/doctor');
  await phone.expectScreen(page, 'Doctor');
  await device.happens({ signedIn: false });
  // The page may notice by itself before this: then there is no such button any more.
  await page.evaluate(() => {
    const buttons = [...document.querySelectorAll('button')];
    buttons.find((button) => button.textContent?.includes('Check now'))?.click();
  });
  await phone.signIn(page, 'correct horse');
  await phone.expectScreen(page, 'Doctor');
});

test('hostile names stay text everywhere', async ({ page, device }) => {
  await device.open('hostile');
  for (const place of ['', 'disks', 'disks/films', 'stores/azure', 'device', 'device/network']) {
    await page.goto(`/#/${place}`);
    await expect(page.getByText(evil).first()).toBeAttached();
    expect(await page.locator('img').count(), place).toBe(0);
  }
  await page.goto('/#/setup/store');
  await phone.button(page, 'Next').click();
  await page.getByRole('radio', { name: 'Take one that is there' }).check();
  await page.getByRole('radio', { name: evil }).check();
  await phone.button(page, 'Next').click();
  await phone.button(page, 'Use it').click();
  await phone.expectScreen(page, 'Plug it in');
  expect(await page.evaluate(() => (window as { hacked?: number }).hacked)).toBeUndefined();
});

test('an address that leads nowhere says so', async ({ page, device }) => {
  await device.open('busy', 'no/such/place');
  await phone.expectScreen(page, 'Nothing here');
  await page.getByRole('link', { name: 'Go home' }).click();
  await phone.expectScreen(page, 'living-room');
});
