/**
 * Takes pictures of the screens for docs/pictures, before the device in memory. Those of the set-up are taken before a real
 * device (e2e/device/setup.spec.ts), but for its end, which wants a USB side.
 *
 * PICTURES names another folder, PICTURES_ALL=1 takes each screen in every dress: for looking at them.
 */
import { test, type Page } from '@playwright/test';

import { pictureOf, save } from '../support/picture.ts';

import type { SceneName } from '../../dev/scenes.ts';

const folder = process.env.PICTURES ?? new URL('../../../docs/pictures', import.meta.url).pathname;
const all = process.env.PICTURES_ALL === '1';

interface Picture {
  name: string;
  scene: SceneName;
  place: string;
  /** What to do before the picture is taken. */
  before?: (page: Page) => Promise<void>;
}

const click = (page: Page, name: string | RegExp) => page.getByRole('button', { name }).first().click();

const fillStore = async (page: Page): Promise<void> => {
  await page.locator('input[type=radio][value=azure]').check();
  await page.locator('input[type=radio][value=key]').check();
  await page.locator('form input[type=text]').first().fill('mystorage');
  await page.locator('form input[type=password]').first().fill('c2VjcmV0');
};

const pictures: Picture[] = [
  {
    name: 'setup-network',
    scene: 'claimed',
    place: 'setup/network',
    before: async (page) => {
      await page.evaluate(() => sessionStorage.setItem('cloud-stick.setup', '{"first":true}'));
      await page.reload();
      await click(page, /Look for|suchen/);
      await page.locator('input[type=radio][value=Attic]').check();
    },
  },
  { name: 'setup-store', scene: 'claimed', place: 'setup/store', before: async (page) => fillStore(page) },
  {
    name: 'setup-done',
    scene: 'busy',
    place: 'setup/done',
    before: async (page) => {
      await page.evaluate(() => sessionStorage.setItem('cloud-stick.setup', '{"disk":"films"}'));
      await page.reload();
      await page.locator('h2').waitFor();
    },
  },
  {
    name: 'home',
    scene: 'busy',
    place: '',
    before: async (page) => {
      // The curve needs a few points.
      await page.waitForFunction(
        () => (document.querySelector('polyline')?.getAttribute('points')?.split(' ').length ?? 0) > 5,
      );
    },
  },
  { name: 'home-troubled', scene: 'troubled', place: '' },
  { name: 'home-empty', scene: 'claimed', place: '' },
  { name: 'home-eject', scene: 'busy', place: '', before: (page) => click(page, /^(Eject|Auswerfen)$/) },
  { name: 'disks', scene: 'troubled', place: 'disks', before: (page) => click(page, /films (down|nach unten)/) },
  {
    name: 'disk',
    scene: 'busy',
    place: 'disks/films',
    before: async (page) => {
      await page.locator('form').first().waitFor();
      for (const one of await page.locator('summary').all()) await one.click();
    },
  },
  {
    name: 'disk-restore',
    scene: 'busy',
    place: 'disks/films',
    before: (page) => click(page, /(Go back|Zurück): /),
  },
  {
    name: 'store',
    scene: 'busy',
    place: 'stores/azure',
    before: async (page) => {
      await click(page, /Change|ändern/);
      await page.locator('form input').first().waitFor();
    },
  },
  { name: 'device', scene: 'busy', place: 'device' },
  { name: 'device-usb', scene: 'busy', place: 'device/usb' },
  { name: 'device-name', scene: 'busy', place: 'device/name' },
  { name: 'device-network', scene: 'busy', place: 'device/network' },
  { name: 'device-time', scene: 'busy', place: 'device/time' },
  {
    name: 'device-log',
    scene: 'busy',
    place: 'device/log',
    before: (page) => page.locator('li.warn').first().waitFor(),
  },
  {
    name: 'device-doctor',
    scene: 'busy',
    place: 'device/doctor',
    before: async (page) => {
      await click(page, /Check now|Jetzt prüfen/);
      await page.locator('li.warning').waitFor();
    },
  },
  { name: 'device-backup', scene: 'busy', place: 'device/backup' },
  {
    name: 'device-versions',
    scene: 'busy',
    place: 'device/versions',
    before: (page) => page.locator('main li').first().waitFor(),
  },
  { name: 'device-password', scene: 'busy', place: 'device/password' },
  {
    name: 'device-sessions',
    scene: 'busy',
    place: 'device/sessions',
    before: (page) => page.locator('main li').first().waitFor(),
  },
  {
    name: 'device-tokens',
    scene: 'busy',
    place: 'device/tokens',
    before: async (page) => {
      await page.locator('form input').first().fill('backup script');
      await page.locator('button[type=submit]').click();
      await page.locator('main li').first().waitFor();
    },
  },
  { name: 'device-reset', scene: 'busy', place: 'device/reset' },
  { name: 'device-appearance', scene: 'busy', place: 'device/appearance' },
  { name: 'device-about', scene: 'busy', place: 'device/about' },
  {
    name: 'sign-in',
    scene: 'busy',
    place: '',
    before: async (page) => {
      await page.request.post('/dev/do', { data: { signedIn: false } });
      await page.reload();
      await page.locator('form').waitFor();
    },
  },
  {
    name: 'connection-lost',
    scene: 'busy',
    place: 'device/usb',
    before: async (page) => {
      await page.request.post('/dev/do', { data: { cut: true } });
      await page.locator('.banner').waitFor();
    },
  },
];

interface Dress {
  key: string;
  width: number;
  scheme: 'light' | 'dark';
  locale: string;
}
const dresses: Dress[] = [
  { key: 'phone-light', width: 360, scheme: 'light', locale: 'en-GB' },
  { key: 'phone-dark', width: 360, scheme: 'dark', locale: 'de-DE' },
  { key: 'desktop-light', width: 1180, scheme: 'light', locale: 'de-DE' },
  { key: 'desktop-dark', width: 1180, scheme: 'dark', locale: 'en-GB' },
];
/** Only these go into the documentation in more than one dress. */
const everyDress = ['home', 'disks', 'setup-store'];

for (const dress of dresses) {
  for (const picture of pictures) {
    if (!all && dress.key !== 'phone-light' && !everyDress.includes(picture.name)) continue;
    // That one is taken before a real device.
    if (!all && dress.key === 'phone-light' && picture.name === 'setup-store') continue;
    test(`${picture.name} ${dress.key}`, async ({ browser, baseURL }) => {
      const context = await browser.newContext({
        viewport: { width: dress.width, height: dress.width < 500 ? 740 : 860 },
        deviceScaleFactor: dress.width < 500 ? 1.5 : 1,
        colorScheme: dress.scheme,
        locale: dress.locale,
        reducedMotion: 'reduce',
        ...(baseURL ? { baseURL } : {}),
      });
      const page = await context.newPage();
      await page.request.post('/dev/device', { data: { scene: picture.scene } });
      await page.goto(`/#/${picture.place}`);
      await page.locator('h1').waitFor();
      await picture.before?.(page);
      await page.getByText(/^(Loading|Wird geladen)…$/).waitFor({ state: 'hidden' });
      const whole = (await page.locator('dialog').count()) === 0 && picture.name !== 'connection-lost';
      await (whole ? pictureOf : save)(page, folder, `${picture.name}-${dress.key}`);
      await context.close();
    });
  }
}
