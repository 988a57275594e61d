import { flushSync } from 'svelte';
import { beforeEach, expect, test } from 'vitest';

import { unclaimed } from '../dev/scenes.ts';
import type { LogLine, Task } from '../src/api/types.ts';
import { live } from '../src/state/live.svelte.ts';

const line = (number: number, time = '2026-01-01T00:00:00Z'): LogLine => ({
  number,
  time,
  level: 'info',
  target: 'x',
  text: String(number),
});
const task = (id: number, state: 'running' | 'cancelled'): Task => ({
  id,
  kind: 'doctor',
  started: '2026-01-01T00:00:00Z',
  can_cancel: true,
  state,
});

beforeEach(() => {
  live.forget();
  live.take({ event: 'state', data: unclaimed().state });
  flushSync();
});

test('a state replaces everything', () => {
  expect(live.known).toBe(true);
  expect(live.connected).toBe(true);
  expect(live.device?.name).toBe('cloud-stick');
});

test('tasks are replaced by number, the youngest first, and go when they are dismissed', () => {
  live.take({ event: 'task', data: task(1, 'running') });
  live.take({ event: 'task', data: task(2, 'running') });
  live.take({ event: 'task', data: task(1, 'cancelled') });
  expect(live.tasks.map((one) => [one.id, one.state])).toEqual([
    [2, 'running'],
    [1, 'cancelled'],
  ]);
  live.take({ event: 'task_gone', data: { id: 2 } });
  expect(live.tasks.map((one) => one.id)).toEqual([1]);
});

test('an event newer than this page is ignored', () => {
  live.take({ event: 'cache', data: 1 } as never);
  expect(live.device?.name).toBe('cloud-stick');
});

test('lines of the log come once and in order, whichever way they come', () => {
  live.take({ event: 'log', data: line(3) });
  live.addLines([line(1), line(2), line(3)]);
  live.take({ event: 'log', data: line(4) });
  expect(live.log.map((one) => one.number)).toEqual([1, 2, 3, 4]);
  // The daemon was restarted: its numbers begin anew.
  live.addLines([line(0, '2026-01-02T00:00:00Z')]);
  expect(live.log.map((one) => one.number)).toEqual([1, 2, 3, 4, 0]);
});
