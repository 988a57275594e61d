import { defineConfig } from '@playwright/test';

import { common, use } from './support/config.ts';
import { baseURL, webServer } from './support/server.ts';

export default defineConfig({
  ...common,
  testDir: './page',
  outputDir: '../test-results',
  fullyParallel: true,
  workers: 2,
  timeout: 60_000,
  expect: { timeout: 15_000 },
  webServer: webServer(),
  use: { ...use, baseURL: baseURL() },
});
