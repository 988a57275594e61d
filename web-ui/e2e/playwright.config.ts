import { defineConfig } from '@playwright/test';

import { baseURL, browser, deviceUrl, phone, webServer } from './support/server.ts';

export default defineConfig({
  // With CLOUD_STICK_URL set, the tests that need a real device; without, those of the page.
  testDir: deviceUrl ? './device' : './page',
  outputDir: '../test-results',
  fullyParallel: true,
  workers: 2,
  forbidOnly: true,
  retries: 0,
  timeout: 60_000,
  expect: { timeout: 15_000 },
  reporter: [['list']],
  ...(webServer ? { webServer } : {}),
  use: {
    baseURL,
    viewport: phone,
    hasTouch: true,
    locale: 'en-GB',
    // A device has a certificate of its own.
    ignoreHTTPSErrors: true,
    launchOptions: browser,
    screenshot: 'only-on-failure',
  },
});
