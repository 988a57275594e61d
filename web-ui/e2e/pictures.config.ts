import { defineConfig } from '@playwright/test';

import { baseURL, browser, webServer } from './support/server.ts';

/** Takes the pictures of docs/pictures: `npm run build && npm run pictures`. */
export default defineConfig({
  testDir: './pictures',
  outputDir: '../test-results',
  fullyParallel: true,
  workers: 2,
  timeout: 120_000,
  reporter: [['list']],
  webServer: webServer(),
  use: { baseURL: baseURL(), launchOptions: browser },
});
