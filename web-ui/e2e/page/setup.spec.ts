import { claimCode } from '../../dev/device.ts';
import * as phone from '../support/phone.ts';
import { expect, test } from '../support/test.ts';

const password = 'four words in a row';
const azure = { kind: 'Azure page blobs', way: 'Account and key', values: { Account: 'mystorage', Key: 'c2VjcmV0' } };

test('from a new device to a stick, over every obstacle', async ({ page, device }) => {
  await device.open('unclaimed');
  await phone.claim(page, { code: 'WRONG', password });
  await expect(page.getByRole('alert')).toContainText('the claim code is wrong');
  await phone.button(page, 'Back').click();
  await phone.claim(page, { code: claimCode, password });
  await phone.nameDevice(page, 'kitchen');
  await phone.skipNetwork(page);

  await phone.fillStore(page, { ...azure, values: { ...azure.values, Key: 'wrong' } });
  await phone.button(page, 'Test').click();
  await expect(page.getByText('The store refuses access.')).toBeVisible();
  await expect(page.getByLabel('Key', { exact: true })).toHaveAttribute('aria-invalid', 'true');
  await page.getByLabel('Key', { exact: true }).fill('c2VjcmV0');
  await phone.testStore(page);
  await phone.keepStore(page, 'sticks');

  await phone.chooseNewImage(page, 'films.img');
  await phone.makeStick(page);
  await expect(page.getByText('Your stick is ready')).toBeVisible();
  await expect(page.getByText('Plug the device into')).toBeVisible();
  await page.getByRole('link', { name: 'Go to the page of the stick' }).click();
  await expect(page.getByRole('link', { name: 'films' })).toBeVisible();
});

test('the first set-up goes on where the browser kept nothing', async ({ page, device }) => {
  await device.open('claimed', 'setup/name');
  await expect(page.getByText('Step 3 of 8')).toBeVisible();
  await phone.nameDevice(page, 'kitchen');
  await phone.skipNetwork(page);
  await expect(page.getByText('Step 5 of 8')).toBeVisible();
});

test('the button on the board stands in for the code', async ({ page, device }) => {
  await device.open('unclaimed');
  await phone.button(page, 'Next').click();
  await expect(page.getByText('Type the code, or press the button')).toBeVisible();
  await device.happens({ buttonPressed: true });
  await expect(page.getByText('no code is needed now')).toBeVisible();
  await phone.claim(page, { password });
  await phone.expectScreen(page, 'Name');
});

test('a reload keeps what was filled in, but no secrets', async ({ page, device }) => {
  await device.open('claimed', 'setup/store');
  await phone.fillStore(page, azure);
  await page.reload();
  await expect(page.getByLabel('Account', { exact: true })).toHaveValue('mystorage');
  await expect(page.getByLabel('Key', { exact: true })).toHaveValue('');
  await expect(page.getByText('Secrets do not survive a reload')).toBeVisible();
  const stored = await page.evaluate(() => JSON.stringify({ ...sessionStorage, ...localStorage }));
  expect(stored).not.toContain('c2VjcmV0');
});

test('an image goes on being made while the page is reloaded', async ({ page, device }) => {
  await device.open('claimed', 'setup/store');
  await phone.fillStore(page, azure);
  await phone.testStore(page);
  await phone.keepStore(page, 'sticks');
  await phone.chooseNewImage(page, 'films.img');
  await device.happens({ slow: true });
  await phone.button(page, 'Make my stick').click();
  await expect(page.getByRole('progressbar')).toBeVisible();
  await page.reload();
  await expect(page.getByRole('progressbar')).toBeVisible();
  await device.happens({ slow: false });
  await phone.expectScreen(page, 'Plug it in');
});

test('an image that was cancelled can be made again', async ({ page, device }) => {
  await device.open('busy', 'setup/store');
  await phone.button(page, 'Next').click();
  await page.getByRole('radio', { name: 'Another size' }).check();
  await page.getByLabel('Size in GB').fill('0.5');
  await page.getByRole('radio', { name: 'exFAT' }).check();
  await phone.chooseNewImage(page, 'second.img');
  await expect(page.getByText('500 MB')).toBeVisible();
  await device.happens({ slow: true });
  await phone.button(page, 'Make my stick').click();
  await phone.button(page, 'Cancel').click();
  await expect(page.getByText('It was cancelled.')).toBeVisible();
  await device.happens({ slow: false });
  await phone.makeStick(page);
});

test('a name that is taken is told before it is sent', async ({ page, device }) => {
  await device.open('busy', 'setup/store');
  await phone.button(page, 'Next').click();
  await page.getByLabel('Name of the image').fill('films.img');
  await expect(page.getByText('There is one of that name already.').first()).toBeVisible();
  await phone.button(page, 'Next').click();
  await phone.expectScreen(page, 'Your stick');
});

test('an image that is there becomes a stick, its name being text', async ({ page, device }) => {
  await device.open('busy', 'setup/store');
  await phone.button(page, 'Next').click();
  await page.getByRole('radio', { name: 'Take one that is there' }).check();
  await expect(page.getByRole('radio', { name: /films\.img/ })).toBeDisabled();
  await page.getByRole('radio', { name: /music\.img/ }).check();
  await phone.button(page, 'Next').click();
  await phone.button(page, 'Use it').click();
  await phone.expectScreen(page, 'Plug it in');
});

test('files of Ceph are read by the browser', async ({ page, device }) => {
  await device.open('claimed', 'setup/store');
  await phone.fillStore(page, { kind: 'Ceph RBD', values: {} });
  const picked = page.waitForEvent('filechooser');
  await phone.button(page, 'Choose a file: ceph.conf').click();
  await (
    await picked
  ).setFiles({ name: 'ceph.conf', mimeType: 'text/plain', buffer: Buffer.from('[global]\nfsid = x\n') });
  await expect(page.getByLabel('ceph.conf', { exact: true })).toHaveValue('[global]\nfsid = x\n');
  await page.getByLabel('Keyring', { exact: true }).fill('[client.stick]\nkey = x');
  await phone.testStore(page);
});

test('Wi-Fi networks are listed and joined; their names are text', async ({ page, device }) => {
  await device.open('claimed', 'device/network');
  await phone.button(page, 'Look for networks').click();
  await expect(page.getByRole('radio', { name: /<img src=x/ })).toBeVisible();
  await expect(page.getByRole('radio', { name: /Company/ })).toBeDisabled();
  await page.getByRole('radio', { name: /Attic/ }).check();
  await page.getByLabel('Password of the network', { exact: true }).fill('correct horse');
  await phone.button(page, 'Join').click();
  await expect(page.getByText('Joined “Attic”.')).toBeVisible();
});

test('in the network that the device makes, the page says where it will be, and why joining failed', async ({
  page,
  device,
}) => {
  await device.open('inside', 'setup/network');
  await expect(page.getByText('The device makes a network of its own, “CloudStick-4C11”.')).toBeVisible();
  await expect(page.getByText('The Wi-Fi network has another password.')).toBeVisible();
  // The name of the network is text.
  await expect(page.getByText('"<b>Attic</b>" has another password')).toBeVisible();
  await phone.button(page, 'Look for networks').click();
  await page.getByRole('radio', { name: /Attic/ }).check();
  await expect(page.getByRole('note')).toContainText('open https://cloud-stick.local/');
  await expect(page.getByRole('note')).toContainText('“CloudStick-4C11” is back within a minute');
  await expect(phone.button(page, 'Skip')).toBeVisible();
});
