import { defineConfig } from '@playwright/test';

import { common, useReal } from './support/config.ts';

/** Acts of a scenario (ci/scenarios/page-*.sh), which starts the device in a virtual machine and plays the TV. Not by themselves. */
export default defineConfig({
  ...common,
  testDir: './tv',
  outputDir: process.env.PHONE_RESULTS ?? '../test-results/tv',
  workers: 1,
  // The device runs on an emulated processor.
  timeout: 240_000,
  expect: { timeout: 90_000 },
  use: useReal,
});
