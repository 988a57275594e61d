/** What the ways to run Playwright have in common: a phone, in a browser that calls nobody. */
import type { PlaywrightTestConfig } from '@playwright/test';

import { browser, phone } from './server.ts';

export const common = {
  forbidOnly: true,
  retries: 0,
  reporter: [['list']],
} satisfies PlaywrightTestConfig;

export const use = {
  viewport: phone,
  hasTouch: true,
  locale: 'en-GB',
  launchOptions: browser,
  screenshot: 'only-on-failure',
} satisfies PlaywrightTestConfig['use'];

/** Before a real device, which has a certificate of its own, and may be busy. */
export const useReal = {
  ...use,
  ignoreHTTPSErrors: true,
  actionTimeout: 60_000,
} satisfies PlaywrightTestConfig['use'];
