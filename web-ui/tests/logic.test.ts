import { expect, test } from 'vitest';

import type { Field, StoreType } from '../src/api/types.ts';
import { hex4, rate, size } from '../src/i18n/format.ts';
import { i18n, localeOf } from '../src/i18n/i18n.svelte.ts';
import { sentence, wrongAt } from '../src/i18n/problems.ts';
import { base64 } from '../src/parts/base64.ts';
import { filledIn, initial, missing, withoutSecrets } from '../src/parts/form/values.ts';
import { strength } from '../src/parts/strength.ts';
import { moved } from '../src/screens/disks/order.ts';
import { bytes, diskName, isDiskName, isImageName } from '../src/screens/setup/draft.svelte.ts';
import { placeField } from '../src/screens/stores/place.ts';

const field = (key: string, kind: Field['kind'], more: Partial<Field> = {}): Field => ({
  key,
  label: key,
  kind,
  required: true,
  advanced: false,
  ...more,
});
const fields = [
  field('account', { type: 'text', max_length: 20 }),
  field('key', { type: 'secret', max_length: 20 }),
  field('conf', { type: 'long_text', max_length: 99, accept: [] }),
  field('keyring', { type: 'long_secret', max_length: 99, accept: [] }),
  field('connections', { type: 'number', min: 1, max: 9 }, { required: false, default: '4' }),
  field('verify', { type: 'toggle' }, { required: false }),
];

test('sizes and rates are in the words of the language', () => {
  i18n.language = 'en';
  expect(size(0)).toBe('0 bytes');
  expect(size(999)).toBe('999 bytes');
  expect(size(32e9)).toBe('32 GB');
  expect(size(1.5e12)).toBe('1.5 TB');
  expect(rate(0)).toBe('0 kB/s');
  expect(rate(4.14e6)).toBe('4.1 MB/s');
  i18n.language = 'de';
  expect(size(1.5e12)).toBe('1,5 TB');
  expect(document.documentElement.lang).toBe('de');
  i18n.language = 'en';
  expect(hex4(0x1d)).toBe('001d');
});

test('dates are written as the browser wants them, not as in America', () => {
  const day = (...wanted: Parameters<typeof localeOf>): string =>
    new Intl.DateTimeFormat(localeOf(...wanted), { dateStyle: 'medium' }).format(new Date(2026, 10, 2));
  expect(day('en', ['en-GB', 'en'])).toBe('2 Nov 2026');
  expect(day('en', ['en-US', 'en'])).toBe('Nov 2, 2026');
  expect(day('en', ['fr', 'en'])).toBe('2 Nov 2026');
  expect(day('en', ['de-DE', 'en'])).toBe('2 Nov 2026');
  expect(day('en', ['not_a_tag'])).toBe('2 Nov 2026');
  expect(day('en', [])).toBe('2 Nov 2026');
  expect(day('de', ['de-AT', 'en-US'])).toBe('02.11.2026');
  expect(day('de', ['en-US'])).toBe('02.11.2026');
});

test('a problem newer than this page is a fault', () => {
  expect(sentence({ code: 'brand_new' as 'internal', detail: '' })).toBe(i18n.t.problem.codes.internal);
});

test('what is wrong with a field stands at the field only', () => {
  const problem = { code: 'invalid' as const, detail: 'not a name', remedy: 'use letters', field: '/name' };
  expect(wrongAt(problem, '/name')).toBe('not a name; use letters');
  expect(wrongAt(problem, '/size')).toBeUndefined();
  expect(wrongAt(undefined, '/size')).toBeUndefined();
});

test('secrets are never among what is kept', () => {
  const draft = { account: 'a', key: 'hunter2', conf: 'x', keyring: 'hunter2', gone: 'hunter2' };
  expect(withoutSecrets(fields, draft)).toEqual({ account: 'a', conf: 'x' });
  const wrongPlace = { account: 'a', conf: '[client.stick]\n\tkey = hunter2\n' };
  expect(withoutSecrets(fields, wrongPlace)).toEqual({ account: 'a' });
  const usual = { conf: '[global]\nkeyring = /etc/ceph/keyring\n' };
  expect(withoutSecrets(fields, usual)).toEqual(usual);
});

test('what is sent leaves out what is empty, and trims single lines only', () => {
  expect(filledIn(fields, { account: ' a \n', key: '', conf: 'x\n' })).toEqual({
    account: 'a',
    conf: 'x\n',
    connections: 4,
    verify: false,
  });
});

test('what must be filled in is named, but not a secret that is set', () => {
  expect(missing(fields, { account: 'a' }, [])).toEqual(['key', 'conf', 'keyring']);
  expect(missing(fields, { account: 'a', conf: 'x' }, ['key', 'keyring'])).toEqual([]);
});

test('fields begin with their default', () => {
  expect(initial(field('n', { type: 'number', min: 0, max: 1 }))).toBeNull();
  expect(initial(field('c', { type: 'choice', choices: [{ key: 'a', label: 'A' }] }))).toBe('a');
  expect(initial(field('t', { type: 'toggle' }, { default: 'true' }))).toBe(true);
});

test('the place of a store is found in its form', () => {
  const type = { place_label: 'Pool', place_field: 'pool' } as StoreType;
  const pool = field('pool', { type: 'text', max_length: 9 });
  expect(placeField(type, [...fields, pool])).toBe(pool);
  expect(placeField({ ...type, place_label: null, place_field: null }, [pool])).toBeUndefined();
});

test('slots move within their list', () => {
  expect(moved(['a', 'b', 'c'], 0, 2)).toEqual(['b', 'c', 'a']);
  expect(moved(['a', 'b', 'c'], 2, 0)).toEqual(['c', 'a', 'b']);
  expect(moved(['a'], 0, 1)).toEqual(['a']);
});

test('sizes of images are whole MiB', () => {
  expect(bytes(32) % 2 ** 20).toBe(0);
  expect(Math.abs(bytes(32) - 32e9)).toBeLessThan(2 ** 20);
  expect(size(bytes(0.5))).toBe('500 MB');
  expect(bytes(0.0001)).toBe(0);
});

test('names of disks are made from those of images, and are free', () => {
  expect(diskName('films.img', [])).toBe('films');
  expect(diskName('backup/my photos.vhd', [])).toBe('backup-my-photos');
  expect(diskName('films.img', ['films', 'films-2'])).toBe('films-3');
  expect(diskName('<img src=x>', [])).toBe('img-src-x-');
  for (const name of ['films', 'backup-my-photos', diskName('…', []), diskName('.x', [])])
    expect(isDiskName(name), name).toBe(true);
  for (const name of ['', '-a', '.a', 'a b', 'ä']) expect(isDiskName(name), name).toBe(false);
});

test('names of images lead nowhere else', () => {
  for (const name of ['films', 'a/b.vhd', 'x..y']) expect(isImageName(name), name).toBe(true);
  for (const name of ['', '/', '../x', 'a//b', 'a/', 'a\\b', 'a\nb']) expect(isImageName(name), name).toBe(false);
});

test('passwords are judged roughly', () => {
  expect(strength('short')).toBe(0);
  expect(strength('aaaaaaaaaaaaaaaaaaaaaaaa')).toBe(1);
  expect(strength('Password12345678!')).toBe(1);
  expect(strength('hvnqjzwk')).toBe(1);
  expect(strength('four words in a row')).toBe(4);
});

test('bytes become base64, also many', () => {
  expect(base64(new Uint8Array([0, 255, 16]))).toBe('AP8Q');
  expect(base64(new Uint8Array(100_000)).length).toBe(133_336);
});
