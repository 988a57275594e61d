import { defineConfig } from '@playwright/test';

import { browser } from './support/server.ts';

/** Figures, not tests: `GADGET_MANAGER=FILE npm run measure`, on a machine with nothing else to do. */
export default defineConfig({
  testDir: './measure',
  outputDir: '../test-results/measure',
  workers: 1,
  retries: 0,
  timeout: 600_000,
  reporter: [['list']],
  use: { launchOptions: browser },
});
