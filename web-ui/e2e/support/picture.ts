/** Pictures of screens, as small WebP files. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';

import type { Page } from '@playwright/test';
import sharp from 'sharp';

/** A picture of the whole page: what is fixed to the screen would be in its middle, so the screen is made as high as the page. */
export async function pictureOf(page: Page, folder: string, name: string): Promise<void> {
  const before = page.viewportSize();
  // What is as high as a part of the screen grows with it.
  for (let height = 0; before && height < 6000;) {
    const content = await page.evaluate(() => document.documentElement.scrollHeight);
    if (content <= height) break;
    height = Math.max(content, 500);
    await page.setViewportSize({ width: before.width, height });
  }
  await save(page, folder, name);
  if (before) await page.setViewportSize(before);
}

/** A picture of what is on the screen. */
export async function save(page: Page, folder: string, name: string): Promise<void> {
  const png = await page.screenshot({ animations: 'disabled' });
  mkdirSync(folder, { recursive: true });
  await sharp(png)
    .webp({ quality: 82, effort: 6 })
    .toFile(join(folder, `${name}.webp`));
  if (process.env.PICTURES_PNG) await sharp(png).toFile(join(folder, `${name}.png`));
}
