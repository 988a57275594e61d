/** Numbers, sizes, rates and times in the owner's language, as they are written where the owner lives. */
import { i18n } from './i18n.svelte.ts';

const sizes = ['byte', 'kilobyte', 'megabyte', 'gigabyte', 'terabyte'] as const;

/** A size in the units that sticks are sold in: 1 GB is 1000³ bytes. `least` is the smallest unit to use, 1 for kB. */
export function size(bytes: number, least = 0): string {
  const fitting = bytes < 1 ? 0 : Math.floor(Math.log10(bytes) / 3 + 1e-9);
  const power = Math.min(Math.max(fitting, least), sizes.length - 1);
  const value = bytes / 1000 ** power;
  const name = sizes[power] ?? 'byte';
  return new Intl.NumberFormat(i18n.locale, {
    style: 'unit',
    unit: name,
    unitDisplay: power === 0 ? 'long' : 'short',
    maximumFractionDigits: value >= 0.1 && value < 10 && power > 0 ? 1 : 0,
  }).format(value);
}

/** Memory in the units that it is sold in: 1 MB is 1024² bytes there. */
export function memory(bytes: number): string {
  return new Intl.NumberFormat(i18n.locale, {
    style: 'unit',
    unit: 'megabyte',
    maximumFractionDigits: 0,
  }).format(bytes / 2 ** 20);
}

/** Bytes per second. */
export function rate(bytes: number): string {
  // "per second" is no compound unit in every browser's data. Single bytes are of no interest.
  return `${size(Math.max(bytes, 1), 1)}/s`;
}

export function number(value: number, digits = 0): string {
  return new Intl.NumberFormat(i18n.locale, { maximumFractionDigits: digits }).format(value);
}

export function percent(part: number): string {
  return new Intl.NumberFormat(i18n.locale, { style: 'percent', maximumFractionDigits: 0 }).format(part);
}

/** Milliseconds. */
export function milliseconds(value: number): string {
  return `${number(value, value < 10 ? 1 : 0)} ms`;
}

/** A moment, RFC 3339, as date and time. */
export function moment(time: string): string {
  return new Intl.DateTimeFormat(i18n.locale, { dateStyle: 'medium', timeStyle: 'short' }).format(new Date(time));
}

/** Only the time of the day. */
export function clock(time: string): string {
  return new Intl.DateTimeFormat(i18n.locale, { timeStyle: 'medium' }).format(new Date(time));
}

const spans: [Intl.RelativeTimeFormatUnit, number][] = [
  ['day', 86_400],
  ['hour', 3600],
  ['minute', 60],
];

/** How long ago, in whole minutes, hours or days. */
export function ago(time: string, now = Date.now()): string {
  const seconds = Math.max(0, (now - new Date(time).getTime()) / 1000);
  const format = new Intl.RelativeTimeFormat(i18n.locale, { numeric: 'auto' });
  for (const [unit, length] of spans) {
    if (seconds >= length) return format.format(-Math.floor(seconds / length), unit);
  }
  return format.format(0, 'second');
}

/** A list such as "a, b and c". */
export function list(items: string[]): string {
  return new Intl.ListFormat(i18n.locale).format(items);
}

/** Four hexadecimal digits, as USB ids are written. */
export function hex4(value: number): string {
  return value.toString(16).padStart(4, '0');
}
