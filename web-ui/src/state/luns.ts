/** Slots of the stick, without what is only state. */
import type { Lun, LunSettings } from '../api/types.ts';

export function settingsOf(lun: Lun): LunSettings {
  return { disk: lun.disk ?? null, read_only: lun.read_only, cdrom: lun.cdrom, removable: lun.removable };
}
