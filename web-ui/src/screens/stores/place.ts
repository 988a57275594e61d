/** Which field of a store's form holds its place: the container, pool or folder. */
import type { Field, StoreType } from '../../api/types.ts';

const usual = ['place', 'container', 'pool', 'folder'];

/** The field, or nothing if the store has no places to choose from. */
export function placeField(type: StoreType, fields: Field[]): Field | undefined {
  if (type.place_label == null) return undefined;
  return fields.find((field) => usual.includes(field.key));
}
