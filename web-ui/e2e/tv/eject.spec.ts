import { address, expect, test } from './phone.ts';
import * as phone from '../support/phone.ts';

test('the owner takes the disk out', async ({ page }) => {
  await page.goto(address());
  await phone.expectScreen(page, 'kitchen');
  await phone.button(page, 'Eject').click();
  await page.getByRole('dialog').getByRole('button', { name: 'Eject' }).click();
  await expect(page.getByText('Taken out', { exact: true })).toBeVisible();
});
