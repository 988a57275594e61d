import { expect, test, told, address } from './phone.ts';
import * as phone from '../support/phone.ts';

const stores: Record<string, () => phone.StoreWish & { place?: string }> = {
  azure: () => ({
    kind: 'Azure page blobs',
    way: 'Connection string',
    values: { 'Connection string': told('CONNECTION') },
    switches: ['Allow connections without TLS'],
    open: true,
  }),
  ceph: () => ({
    kind: 'A pool of RBD images',
    way: 'ceph.conf and keyring',
    values: { 'ceph.conf': told('CEPH_CONF'), Keyring: told('KEYRING') },
    place: told('POOL'),
  }),
  file: () => ({ kind: 'This device', values: { Folder: told('FOLDER') } }),
};

const screen = async (page: Parameters<typeof phone.expectScreen>[0]): Promise<void> => {
  await phone.expectScreen(page, 'kitchen');
  await expect(page.getByRole('link', { name: 'films' })).toBeVisible();
};

test('from a new device to a stick that the TV has', async ({ page }) => {
  const wish = stores[told('STORE')]?.();
  if (!wish) throw new Error(`there is no way to a store ${told('STORE')}`);
  await page.goto(address());
  await phone.claim(page, { code: told('CLAIM_CODE'), password: told('PASSWORD') });
  await phone.nameDevice(page, 'kitchen');
  await phone.skipNetwork(page);
  await phone.fillStore(page, wish);
  await phone.testStore(page);
  if (told('STORE') === 'azure') await phone.makePlace(page, 'Container', told('CONTAINER'));
  await phone.keepStore(page, wish.place);

  await page.getByRole('radio', { name: 'Another size' }).check();
  await page.getByLabel('Size in GB').fill(told('SIZE_GB'));
  await page.getByRole('radio', { name: new RegExp(`^${told('FILESYSTEM')}`) }).check();
  if (told('FILESYSTEM') !== 'None') await page.getByLabel('Label').fill(told('LABEL'));
  await phone.chooseNewImage(page, 'films');
  await phone.makeStick(page);
  // This device has a USB side, and a TV at its other end.
  await expect(page.getByRole('heading', { level: 2, name: 'Your stick is ready' })).toBeVisible();
  await expect(page.getByText('It is connected. Have fun!')).toBeVisible();
  await page.getByRole('link', { name: 'Go to the page of the stick' }).click();
  await screen(page);
  await expect(page.getByText('Inserted', { exact: true })).toBeVisible();
  await expect(page.getByText(/^Connected/)).toBeVisible();
});
