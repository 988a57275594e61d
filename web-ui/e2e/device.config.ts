import { defineConfig } from '@playwright/test';

import { browser, phone } from './support/server.ts';

/** Tests with real devices and a real cloud, which they start: `cargo build -p gadget-manager && npm run e2e:device`. */
export default defineConfig({
  testDir: './device',
  outputDir: '../test-results/device',
  fullyParallel: true,
  workers: 2,
  forbidOnly: true,
  retries: 0,
  // The first one may have to wait until Azurite is installed.
  timeout: 180_000,
  expect: { timeout: 30_000 },
  reporter: [['list']],
  use: {
    viewport: phone,
    hasTouch: true,
    locale: 'en-GB',
    // A device has a certificate of its own.
    ignoreHTTPSErrors: true,
    launchOptions: browser,
    screenshot: 'only-on-failure',
    actionTimeout: 60_000,
  },
});
