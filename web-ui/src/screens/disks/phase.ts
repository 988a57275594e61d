/** How well a disk is, by what it is up to. */
import type { DiskPhase, LinkState } from '../../api/types.ts';

export const phaseStates: Record<DiskPhase, LinkState | 'off'> = {
  opening: 'starting',
  online: 'good',
  offline: 'waiting',
  fenced: 'broken',
  closed: 'off',
};
