/** The owner's phone in a scenario: what it knows comes from there, and its sign-in lasts from one act to the next. */
import { existsSync, writeFileSync } from 'node:fs';

import { test as page } from '../support/test.ts';

/** What the scenario tells: `browser setup.spec.ts CLAIM_CODE=…`. */
export function told(name: string): string {
  const value = process.env[name];
  if (value === undefined) {
    throw new Error(`${name} is not set: this is an act of a scenario, run scripts/virtual-tv/run page-azure`);
  }
  return value;
}

/** Where the page is. */
export const address = (): string => told('PAGE_ADDRESS');

/** Tells the scenario that it may go on. */
export function tell(): void {
  writeFileSync(told('PHONE_SAYS'), 'ready');
}

export const test = page.extend({
  storageState: async ({ storageState }, use) => {
    const kept = told('PHONE_SESSION');
    await use(existsSync(kept) ? kept : storageState);
  },
  context: async ({ context }, use) => {
    await use(context);
    await context.storageState({ path: told('PHONE_SESSION') });
  },
});

export { expect } from '../support/test.ts';
