/** Tests of the page: each has a device in memory of its own, and fails if the browser complains about anything. */
import { readFileSync } from 'node:fs';

import { test as base, expect, type Page } from '@playwright/test';

import type { SceneName } from '../../dev/scenes.ts';
import type { State } from '../../src/api/types.ts';

const axeSource = readFileSync(new URL(import.meta.resolve('axe-core/axe.min.js')), 'utf8');

export interface DevControl {
  /** Begins with a device in this state, and opens the page at this place. */
  open(scene: SceneName, place?: string): Promise<void>;
  /** Lets something happen to the device. */
  happens(wish: {
    cut?: boolean;
    slow?: boolean;
    buttonPressed?: boolean;
    signedIn?: boolean;
    state?: Partial<State>;
  }): Promise<void>;
}

interface Fixtures {
  device: DevControl;
  /** What the browser complained about. */
  complaints: string[];
}

export const test = base.extend<Fixtures>({
  complaints: [
    async ({ page }, use) => {
      const complaints: string[] = [];
      page.on('pageerror', (error) => complaints.push(String(error)));
      page.on('console', (message) => {
        // A refused request is an answer; what the page makes of it is tested.
        const answer = /Failed to load resource|net::ERR_/.test(message.text());
        // At the moment of the claim the icon is still asked for over HTTP, and may not be led elsewhere.
        if (/icon\.svg.*img-src/.test(message.text())) return;
        if (message.type() === 'error' && !answer) complaints.push(message.text());
      });
      page.on('request', (request) => {
        // Not the port: a device with an owner moves its page to another one.
        const { protocol, hostname } = new URL(request.url());
        const here = new URL(page.url() === 'about:blank' ? request.url() : page.url()).hostname;
        if (protocol !== 'blob:' && hostname !== here) {
          complaints.push(`request to ${request.url()}`);
        }
      });
      await use(complaints);
      expect(complaints, 'what the browser complained about').toEqual([]);
    },
    { auto: true },
  ],
  device: async ({ page }, use) => {
    await use({
      open: async (scene, place = '') => {
        await page.request.post('/dev/device', { data: { scene } });
        await page.goto(`/#/${place}`);
      },
      happens: async (wish) => {
        await page.request.post('/dev/do', { data: wish });
      },
    });
  },
});

export { expect };

interface Violation {
  id: string;
  impact: string;
  nodes: { html: string; failureSummary: string }[];
}

/** Checks accessibility with axe: no finding of any weight is let through. */
export async function expectAccessible(page: Page): Promise<void> {
  // Colours on the way from one state to another are nobody's contrast.
  await page.evaluate(() =>
    Promise.all(
      document
        .getAnimations()
        .map((one) => (one.effect?.getTiming().iterations === Infinity ? undefined : one.finished)),
    ),
  );
  await page.evaluate(axeSource);
  const found = await page.evaluate(async () => {
    const { axe } = window as unknown as { axe: { run: (options: object) => Promise<{ violations: Violation[] }> } };
    const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
    return (await axe.run({ runOnly: { type: 'tag', values: tags } })).violations;
  });
  const text = found.map(
    (one) =>
      `${one.id} (${one.impact}): ${one.nodes.map((node) => `${node.html}\n   ${node.failureSummary}`).join('\n  ')}`,
  );
  expect(text, 'what axe found').toEqual([]);
}

/** Nothing is wider than the screen. */
export async function expectFits(page: Page): Promise<void> {
  const [content, screen] = await page.evaluate(() => [document.documentElement.scrollWidth, window.innerWidth]);
  expect(content, 'width of the content').toBeLessThanOrEqual(screen ?? 0);
}
