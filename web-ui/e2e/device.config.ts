import { defineConfig } from '@playwright/test';

import { common, useReal } from './support/config.ts';

/** Tests with real devices and a real cloud, which they start: `cargo build -p gadget-manager && npm run e2e:device`. */
export default defineConfig({
  ...common,
  testDir: './device',
  outputDir: '../test-results/device',
  fullyParallel: true,
  workers: 2,
  // The first one may have to wait until Azurite is installed.
  timeout: 180_000,
  expect: { timeout: 30_000 },
  use: useReal,
});
