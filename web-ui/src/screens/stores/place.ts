/** Which field of a store's form holds its place: the container, pool or folder. */
import type { Field, StoreType } from '../../api/types.ts';

/** The field, or nothing if the store has no places to choose from. */
export function placeField(type: StoreType, fields: Field[]): Field | undefined {
  return fields.find((field) => field.key === type.place_field);
}
