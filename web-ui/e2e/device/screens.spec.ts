import { mkdirSync } from 'node:fs';

import type { Page } from '@playwright/test';

import { de } from '../../src/i18n/de.ts';
import { expect, expectAccessible, expectFits, test } from '../real/test.ts';
import { topics } from '../support/topics.ts';

/** PICTURES names a folder for a picture of each screen, to be looked at. */
const folder = process.env.PICTURES;

const places = [
  ...['', 'disks', 'disks/films', 'stores/card', 'setup/store', 'device'],
  ...topics.map((topic) => `device/${topic}`),
];

async function look(page: Page, name: string): Promise<void> {
  await page.getByRole('heading', { level: 1 }).waitFor();
  await expect(page.getByText(/^(Loading|Wird geladen)…$/)).toBeHidden();
  const closed = page.locator('details:not([open]) > summary');
  while ((await closed.count()) > 0) await closed.first().click();
  await expectAccessible(page);
  await expectFits(page);
  if (!folder) return;
  mkdirSync(folder, { recursive: true });
  await page.screenshot({ path: `${folder}/${name.replaceAll('/', '-') || 'home'}.png`, fullPage: true });
}

for (const [scheme, locale] of [
  ['light', 'en-GB'],
  ['dark', 'de-DE'],
] as const) {
  test.describe(`${scheme}, ${locale}`, () => {
    test.use({ colorScheme: scheme, locale });
    test('every screen before a real device is accessible and fits', async ({ page, real }) => {
      await page.emulateMedia({ reducedMotion: 'reduce' });
      await page.goto(real.address);
      await look(page, `${scheme}-claim`);
      await real.claimed(page, 'four words in a row');
      // A page that waits for the claim goes to the device's new address by itself, as soon as it asks again; until then
      // it would cut off whatever else it is sent to.
      await page.waitForURL(`${real.home}/**`);
      await real.withDisk(page, 'films');
      for (const place of places) {
        await test.step(place || 'home', async () => {
          await page.goto(`${real.home}/#/${place}`);
          await page.reload();
          await look(page, `${scheme}-${place}`);
        });
      }
    });
  });
}

test('the forms of all stores are there in German', async ({ page, real }) => {
  await real.claimed(page, 'four words in a row');
  const types = (await (await page.request.get(`${real.home}/api/v1/store-types`)).json()) as {
    label: string;
    about: string;
    form: { ways: { label: string; fields: Words[] }[]; common: Words[] };
  }[];
  interface Words {
    label: string;
    help?: string;
  }
  expect(types.length).toBeGreaterThan(1);
  const texts = types.flatMap(({ label, about, form }) => {
    const fields = [...form.ways.flatMap((way) => way.fields), ...form.common];
    return [
      label,
      about,
      ...form.ways.map((way) => way.label),
      ...fields.flatMap((one) => [one.label, one.help ?? '']),
    ];
  });
  // The names of Ceph's own files are the same in all languages.
  const known = (text: string): boolean =>
    text === '' || text in de.device_texts || /^(ceph\.conf|Ceph RBD)$/.test(text);
  expect(texts.filter((text) => !known(text))).toEqual([]);
});
