import type { SceneName } from '../../dev/scenes.ts';
import * as phone from '../support/phone.ts';
import { expect, expectAccessible, expectFits, test } from '../support/test.ts';
import { topics } from '../support/topics.ts';

const screens: [SceneName, string][] = [
  ['unclaimed', ''],
  ['claimed', ''],
  ['claimed', 'setup/name'],
  ['claimed', 'setup/network'],
  ['claimed', 'setup/store'],
  ['busy', 'setup/store'],
  ['busy', ''],
  ['troubled', ''],
  ['troubled', 'disks'],
  ['busy', 'disks/films'],
  ['troubled', 'disks/music'],
  ['busy', 'stores/azure'],
  ['busy', 'device'],
  ...[...topics, 'update'].map((place): [SceneName, string] => ['busy', `device/${place}`]),
];

for (const scheme of ['light', 'dark'] as const) {
  test.describe(scheme, () => {
    test.use({ colorScheme: scheme, locale: scheme === 'dark' ? 'de-DE' : 'en-GB', reducedMotion: 'reduce' } as object);
    test('every screen is accessible and fits', async ({ page, device }) => {
      test.setTimeout(300_000);
      let before: SceneName | undefined;
      for (const [scene, place] of screens) {
        await test.step(`${scene} ${place}`, async () => {
          if (scene !== before) await device.open(scene, place);
          else await page.goto(`/#/${place}`);
          before = scene;
          await page.reload();
          await page.getByRole('heading', { level: 1 }).waitFor();
          await expect(page.getByText(/^(Loading|Wird geladen)…$/)).toBeHidden();
          for (const folded of await page.locator('summary').all()) await folded.click();
          await expectAccessible(page);
          await expectFits(page);
        });
      }
    });
  });
}

test('dialogues take the focus, keep it, and give it back', async ({ page, device }) => {
  await device.open('busy');
  const eject = phone.button(page, 'Eject');
  await eject.focus();
  await page.keyboard.press('Enter');
  const dialog = page.getByRole('dialog', { name: 'Eject “films”?' });
  await expect(dialog.getByRole('heading')).toBeFocused();
  await expectAccessible(page);
  for (let step = 0; step < 12; step += 1) {
    await page.keyboard.press('Tab');
    // Chromium lets the focus visit its own frame between the last control and the first.
    expect(
      await page.evaluate(
        () => document.activeElement === document.body || document.activeElement?.closest('dialog') !== null,
      ),
    ).toBe(true);
  }
  await page.keyboard.press('Escape');
  await expect(dialog).toBeHidden();
  await expect(eject).toBeFocused();
});

test('after navigation the focus is at the title', async ({ page, device }) => {
  await device.open('busy');
  await page.getByRole('link', { name: 'Disks' }).focus();
  await page.keyboard.press('Enter');
  await expect(page.getByRole('heading', { level: 1, name: 'Disks' })).toBeFocused();
  await expect(page).toHaveTitle('Disks – living-room');
});

test('language and colours are kept by the browser', async ({ page, device }) => {
  await device.open('busy', 'device/appearance');
  await page.getByRole('radio', { name: 'Deutsch' }).check();
  await page.getByRole('radio', { name: 'Dunkel' }).check();
  await page.reload();
  await phone.expectScreen(page, 'Aussehen');
  await expect(page.locator('html')).toHaveAttribute('lang', 'de');
  expect(await page.evaluate(() => getComputedStyle(document.documentElement).colorScheme)).toBe('dark');
});

for (const [locale, date] of [
  ['en-GB', '1 Nov 2026, '],
  ['en-US', 'Nov 1, 2026, '],
  ['de-DE', '01.11.2026, '],
  // A language that the page does not speak: English, written as there.
  ['fr-FR', '1 Nov 2026, '],
] as const) {
  test.describe(locale, () => {
    test.use({ locale, timezoneId: 'Europe/Berlin' });
    test('dates are written as the browser wants them', async ({ page, device }) => {
      await device.open('busy', 'device/versions');
      await expect(page.getByText(date)).toBeVisible();
    });
  });
}
