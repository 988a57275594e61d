import { defineConfig } from '@playwright/test';

import { browser, phone } from './support/server.ts';

/** Acts of a scenario (ci/scenarios/page-*.sh), which starts the device in a virtual machine and plays the TV. Not by themselves. */
export default defineConfig({
  testDir: './tv',
  outputDir: process.env.PHONE_RESULTS ?? '../test-results/tv',
  workers: 1,
  forbidOnly: true,
  retries: 0,
  // The device runs on an emulated processor.
  timeout: 240_000,
  expect: { timeout: 90_000 },
  reporter: [['list']],
  use: {
    viewport: phone,
    hasTouch: true,
    locale: 'en-GB',
    ignoreHTTPSErrors: true,
    launchOptions: browser,
    screenshot: 'only-on-failure',
    actionTimeout: 60_000,
  },
});
