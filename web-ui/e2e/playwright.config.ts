import { defineConfig } from '@playwright/test';

import { baseURL, browser, phone, webServer } from './support/server.ts';

export default defineConfig({
  testDir: './page',
  outputDir: '../test-results',
  fullyParallel: true,
  workers: 2,
  forbidOnly: true,
  retries: 0,
  timeout: 60_000,
  expect: { timeout: 15_000 },
  reporter: [['list']],
  webServer: webServer(),
  use: {
    baseURL: baseURL(),
    viewport: phone,
    hasTouch: true,
    locale: 'en-GB',
    launchOptions: browser,
    screenshot: 'only-on-failure',
  },
});
