import { address, expect, tell, test } from './phone.ts';
import * as phone from '../support/phone.ts';

test('the open page sees what the TV does, and puts the disk back in', async ({ page }) => {
  await page.goto(address());
  await phone.expectScreen(page, 'kitchen');
  await expect(page.getByText('Inserted', { exact: true })).toBeVisible();
  const written = page.getByText(/Written/);
  await expect(written.first()).toBeVisible();
  tell();
  await expect(page.getByText('Taken out by the TV or PC')).toBeVisible();
  await phone.button(page, 'Insert').click();
  await expect(page.getByText('Inserted', { exact: true })).toBeVisible();
});
