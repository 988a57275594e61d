import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { expect, test } from 'vitest';

import { de } from '../src/i18n/de.ts';
import { en } from '../src/i18n/en.ts';

/** Leaves of a catalogue by their paths. */
function leaves(value: unknown, path: string): [string, unknown][] {
  if (typeof value !== 'object' || value === null) return [[path, value]];
  return Object.entries(value).flatMap(([key, one]) => leaves(one, path === '' ? key : `${path}.${key}`));
}
const texts = (catalogue: object) => leaves(catalogue, '').filter(([path]) => !path.startsWith('device_texts.'));

/** What a text is for the reader; functions are called with words of their own. */
const shown = (value: unknown): string => (typeof value === 'function' ? String(value('A', 'B')) : String(value));

const source = readdirSync('src', { recursive: true, encoding: 'utf8' })
  .filter((file) => /\.(svelte|ts)$/.test(file) && !file.startsWith('i18n'))
  .map((file) => readFileSync(join('src', file), 'utf8'))
  .join('\n');

test('German has a text for everything, and nothing more', () => {
  expect(texts(de).map(([path]) => path)).toEqual(expect.arrayContaining(texts(en).map(([path]) => path)));
  expect(texts(de).length).toBe(texts(en).length);
});

test('functions mention what they are given, in both languages', () => {
  for (const [path, value] of texts(en)) {
    if (typeof value !== 'function') continue;
    const german = texts(de).find(([other]) => other === path)?.[1];
    for (const word of ['A', 'B'].slice(0, value.length)) {
      expect(shown(value), path).toContain(word);
      expect(shown(german), path).toContain(word);
    }
  }
});

test('German is not English by mistake', () => {
  const same = texts(en)
    .filter(([path, value]) => shown(texts(de).find(([other]) => other === path)?.[1]) === shown(value))
    .map(([path]) => path.split('.').pop());
  // Words that are the same in both.
  const known =
    /^(name|online|fat|exfat|format|version|kernel|mac|host|stick|image|images|slot|low|full|high|super|super_plus|store|title|title_of|slowest|info|signal|home)$/;
  expect(same.filter((key) => !known.test(key ?? ''))).toEqual([]);
});

test('every text is used somewhere', () => {
  const unused = texts(en)
    .map(([path]) => path)
    .filter((path) => !path.startsWith('problem.codes'))
    .filter((path) => {
      const parts = path.split('.');
      const key = parts.at(-1) ?? '';
      const group = parts.at(-2) ?? '';
      // Looked up by name: `t.home.usb[state]`.
      return (
        !new RegExp(`\\.${key}\\b`).test(source) &&
        !new RegExp(`\\.${group}\\)?\\[`).test(source) &&
        !source.includes(`.${group})`)
      );
    });
  expect(unused).toEqual([]);
});
