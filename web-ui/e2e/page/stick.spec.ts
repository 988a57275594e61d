import * as phone from '../support/phone.ts';
import { expect, test } from '../support/test.ts';

test('the path shows what is, as it changes', async ({ page, device }) => {
  await device.open('busy');
  await expect(page.getByText('All is well')).toBeVisible();
  await expect(page.getByText('3 requests in flight')).toBeVisible();
  await expect(page.getByText(/\d MB\/s/)).toBeVisible();
  const identity = { manufacturer: 'Cloud Stick', product: 'Cloud Stick mini' } as never;
  await device.happens({ state: { usb: { state: 'unplugged', identity, luns: [] } } });
  await expect(page.getByText('Not plugged in')).toBeVisible();
  await expect(page.getByText('Cloud Stick mini', { exact: true })).toBeVisible();
  await expect(page.getByText('All is well')).toBeHidden();
});

test('problems are said in words with a remedy', async ({ page, device }) => {
  await device.open('troubled');
  await expect(page.getByText('Check the network and the address.')).toBeVisible();
  await expect(page.getByText('no monitor of the cluster answers')).toBeVisible();
  await expect(page.getByText('Somebody else has taken over this disk.')).toBeVisible();
});

test('the medium is ejected and inserted', async ({ page, device }) => {
  await device.open('busy');
  await phone.button(page, 'Eject').click();
  await page.getByRole('dialog').getByRole('button', { name: 'Eject' }).click();
  await expect(page.getByText('Taken out')).toBeVisible();
  await phone.button(page, 'Insert').click();
  await expect(page.getByText('Inserted')).toBeVisible();
});

test('read-only is a switch', async ({ page, device }) => {
  await device.open('busy');
  const toggle = page.getByRole('switch', { name: 'Read-only' });
  await expect(toggle).not.toBeChecked();
  await toggle.press('Space');
  await expect(toggle).toBeChecked();
});

test('slots are reordered with the keyboard, the focus staying with the disk', async ({ page, device }) => {
  await device.open('troubled', 'disks');
  const down = phone.button(page, 'Move films down');
  await down.focus();
  await page.keyboard.press('Enter');
  await expect(down).toBeFocused();
  await expect(page.getByRole('status').getByText('films is now in slot 1.')).toBeAttached();
  await page.keyboard.press('Enter');
  await expect(phone.button(page, 'Move films up')).toBeFocused();
  await phone.button(page, 'Use this order').click();
  await expect(page.getByText('Saved.')).toBeVisible();
  await page.reload();
  await expect(page.getByRole('region', { name: 'Slots of the stick' }).getByRole('listitem').last()).toContainText(
    'films',
  );
});

test('snapshots: taken, opened beside, gone back to, deleted', async ({ page, device }) => {
  await device.open('busy', 'disks/films');
  await page.getByLabel('What to call it').fill('Now');
  await phone.button(page, 'Take a snapshot').click();
  await phone.button(page, 'Open: Now').click();
  await page.getByRole('dialog').getByRole('button', { name: 'Open' }).click();
  await expect(page.getByText('The snapshot is in the stick.')).toBeVisible();
  await phone.button(page, 'Go back: Now').click();
  await expect(page.getByText('Everything written since “Now” is lost.')).toBeVisible();
  await phone.confirmByTyping(page, 'films.img', 'Go back');
  await phone.button(page, 'Delete: Now').click();
  await phone.confirmByTyping(page, 'films.img', 'Delete');
  await expect(phone.button(page, 'Open: Now')).toBeHidden();
});

test('a smaller size needs the name typed', async ({ page, device }) => {
  await device.open('busy', 'disks/films');
  await page.getByLabel('New size in GB').fill('8');
  await phone.button(page, 'Change the size').click();
  await phone.confirmByTyping(page, 'films.img', 'Change the size');
  await expect(page.getByText('The size has changed.')).toBeVisible();
  await expect(page.getByText('Now it has 8 GB.')).toBeVisible();
});

test('a disk that somebody took is taken back', async ({ page, device }) => {
  const name = 'holidays-2019-and-everything-before';
  await device.open('troubled', `disks/${name}`);
  await phone.button(page, 'Take over').click();
  await phone.confirmByTyping(page, name, 'Take over');
  await expect(page.getByText('It is yours.')).toBeVisible();
  await expect(page.getByText('Online')).toBeVisible();
});

test('a disk is removed, its limits are set', async ({ page, device }) => {
  await device.open('busy', 'disks/films');
  await page.getByLabel('Read (MB/s)').fill('2.5');
  await phone.button(page, 'Save').click();
  await expect(page.getByText('Saved.')).toBeVisible();
  await phone.button(page, 'Remove the disk').click();
  await phone.confirmByTyping(page, 'films', 'Remove the disk');
  await phone.expectScreen(page, 'Disks');
  await expect(page.getByText('There are no disks yet.')).toBeVisible();
});

test('a task that somebody else started is seen and cancelled', async ({ page, device }) => {
  await device.open('troubled');
  await expect(page.getByText('39% · 3.1 GB of 8 GB')).toBeVisible();
  await phone.button(page, 'Cancel').click();
  await expect(page.getByRole('progressbar')).toBeHidden();
});
