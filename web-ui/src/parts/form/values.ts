/** Values of a form that a store declares. */
import type { Field, Form, FormValue, FormValues } from '../../api/types.ts';

export type Draft = Record<string, string | number | boolean | null>;

export const isSecret = (field: Field): boolean => field.kind.type === 'secret' || field.kind.type === 'long_secret';

/** The fields of one way and those that belong to every way. */
export function fieldsOf(form: Form, way: string): Field[] {
  return [...(form.ways.find((one) => one.key === way)?.fields ?? []), ...form.common];
}

/** What a field holds to begin with. */
export function initial(field: Field): Draft[string] {
  const value = field.default ?? '';
  switch (field.kind.type) {
    case 'toggle':
      return value === 'true';
    case 'number':
      return value === '' ? null : Number(value);
    case 'choice':
      return value === '' ? (field.kind.choices[0]?.key ?? '') : value;
    default:
      return value;
  }
}

/** A file that was pasted with a key in it. The device refuses it and says why; no storage of the browser is to have it. */
const holdsKey = (value: Draft[string] | undefined): boolean =>
  typeof value === 'string' && /^[\w\t #;]*(key|password)[\t ]*=/im.test(value);

/** Only what is no secret: what may be kept over a reload. */
export function withoutSecrets(fields: Field[], draft: Draft): Draft {
  const kept = fields.filter((field) => !isSecret(field) && !holdsKey(draft[field.key]));
  const open = new Set(kept.map((field) => field.key));
  return Object.fromEntries(Object.entries(draft).filter(([key]) => open.has(key)));
}

/** What is sent: fields that are empty are left out. */
export function filledIn(fields: Field[], draft: Draft): FormValues {
  const values: FormValues = {};
  for (const field of fields) {
    const value: FormValue | null | undefined = draft[field.key] ?? initial(field);
    if (value === null || value === '') continue;
    // What is pasted into one line often brings a space or an end of line along.
    values[field.key] =
      typeof value === 'string' && field.kind.type !== 'long_text' && field.kind.type !== 'long_secret'
        ? value.trim()
        : value;
  }
  return values;
}

/** Fields that must be filled in and are not; secrets that the device has already may be left out. */
export function missing(fields: Field[], draft: Draft, set: string[]): string[] {
  const values = filledIn(fields, draft);
  return fields
    .filter((field) => field.required && values[field.key] === undefined && !set.includes(field.key))
    .map((field) => field.key);
}
