/** The steps of the set-up, in their order. */
import { router } from '../../router/router.svelte.ts';

export const steps = ['claim', 'password', 'name', 'network', 'store', 'image', 'summary', 'done'] as const;
export type Step = (typeof steps)[number];

export function go(to: Step): void {
  router.go(['setup', to]);
}
