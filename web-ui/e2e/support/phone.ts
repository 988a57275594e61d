/**
 * What an owner does with a phone, as steps. They are written against what is seen, so that they work with the device in
 * memory and with a real one alike; the language is English.
 */
import { expect, type Page } from '@playwright/test';

export const button = (page: Page, name: string | RegExp) => page.getByRole('button', { name });

/** What can be typed into, by its label: a way of the same name is a choice, and no field. */
export const field = (page: Page, label: string) =>
  page
    .getByLabel(label, { exact: true })
    .or(page.getByLabel(`${label} (optional)`, { exact: true }))
    .and(page.locator('input:not([type=radio]), textarea, select'));

/** The title of the screen that is shown. */
export async function expectScreen(page: Page, title: string): Promise<void> {
  await expect(page.getByRole('heading', { level: 1, name: title, exact: true })).toBeVisible();
}

/** From the first screen of a device without an owner to its name. */
export async function claim(page: Page, how: { code?: string; password: string }): Promise<void> {
  await expectScreen(page, 'Make it yours');
  if (how.code !== undefined) await page.getByLabel('Claim code').fill(how.code);
  await button(page, 'Next').click();
  await expectScreen(page, 'Password');
  await page.getByLabel('New password', { exact: true }).fill(how.password);
  await button(page, 'Make it mine').click();
}

export async function nameDevice(page: Page, name: string): Promise<void> {
  await expectScreen(page, 'Name');
  await page.getByLabel('Name of the device').fill(name);
  await button(page, 'Next').click();
}

/** Goes on without touching the network. */
export async function skipNetwork(page: Page): Promise<void> {
  await expectScreen(page, 'Network');
  await button(page, /^(Next|Skip)$/).click();
}

export interface StoreWish {
  /** What the kind is called. */
  kind: string;
  /** What the way is called, where there are several. */
  way?: string;
  /** Values by the labels of their fields. */
  values: Record<string, string>;
  /** Labels of switches to be on. */
  switches?: string[];
  /** Whether some of it lies behind "More settings". */
  open?: boolean;
}

export async function fillStore(page: Page, wish: StoreWish): Promise<void> {
  await expectScreen(page, 'Where your blocks live');
  const another = page.getByRole('radio', { name: 'Another store' });
  await page.getByRole('group').first().waitFor();
  if (await another.isVisible()) await another.check();
  await page.getByRole('radio', { name: wish.kind }).check();
  if (wish.way) await page.getByRole('radio', { name: wish.way, exact: true }).check();
  if (wish.open) await page.getByText('More settings').first().click();
  for (const [label, value] of Object.entries(wish.values)) await field(page, label).fill(value);
  for (const label of wish.switches ?? []) {
    const wanted = page.getByRole('switch', { name: label });
    await wanted.click();
    await expect(wanted).toBeChecked();
  }
}

export async function testStore(page: Page): Promise<void> {
  await button(page, 'Test').click();
  await expect(page.getByRole('heading', { name: 'It works.' })).toBeVisible();
}

/** Makes a container, pool or folder of this kind and name in a store that was tested. */
export async function makePlace(page: Page, label: string, name: string): Promise<void> {
  const radio = page.getByRole('radio', { name: `New ${label}` });
  await radio
    .or(button(page, `New ${label}`))
    .first()
    .click();
  await page.getByLabel(`Name of the new ${label}`).fill(name);
  await button(page, 'Create').click();
  await expect(page.getByRole('radio', { name, exact: true })).toBeChecked();
}

export async function keepStore(page: Page, place?: string): Promise<void> {
  if (place !== undefined) await page.getByRole('radio', { name: place, exact: true }).check();
  await button(page, 'Keep these settings').click();
  await expectScreen(page, 'Your stick');
}

/** Makes an image of the suggested size with a FAT32 file system. */
export async function chooseNewImage(page: Page, name: string): Promise<void> {
  await expectScreen(page, 'Your stick');
  await page.getByLabel('Name of the image').fill(name);
  await button(page, 'Next').click();
  await expectScreen(page, 'Summary');
}

export async function makeStick(page: Page): Promise<void> {
  await button(page, 'Make my stick').click();
  await expectScreen(page, 'Plug it in');
}

/** At the end of the set-up. Where the machine has no USB side the page says so instead of calling the stick ready. */
export async function expectDone(page: Page): Promise<void> {
  await expect(page.getByRole('heading', { level: 2, name: /^Your stick is (ready$|made, but)/ })).toBeVisible();
}

export async function signIn(page: Page, password: string): Promise<void> {
  await expectScreen(page, 'Welcome back');
  await page.getByLabel('Password', { exact: true }).fill(password);
  await button(page, 'Sign in').click();
}

/** In an open dialogue: types the name that confirms it, and does it. */
export async function confirmByTyping(page: Page, name: string, action: string): Promise<void> {
  const dialog = page.getByRole('dialog');
  await expect(dialog.getByRole('button', { name: action })).toBeDisabled();
  await dialog.getByLabel('Name').fill(name);
  await dialog.getByRole('button', { name: action }).click();
  await expect(dialog).toBeHidden();
}
