/** One thing being done at the owner's wish: a request, or a request that starts a task. */
import { untrack } from 'svelte';

import { problemOf } from '../api/client.ts';
import type { Problem, Task, TaskResult, TaskStarted } from '../api/types.ts';
import { read, write } from './kept.svelte.ts';
import { live } from './live.svelte.ts';

/** A button's work: busy while it runs, with the problem it met. */
export class Work {
  busy = $state(false);
  problem = $state.raw<Problem>();

  /** Does it unless it is being done. Resolves to whether it went well. */
  async run(work: () => Promise<unknown>): Promise<boolean> {
    // Whoever begins this in an effect does not want it again when it is done.
    if (untrack(() => this.busy)) return false;
    this.busy = true;
    this.problem = undefined;
    try {
      await work();
      return true;
    } catch (error) {
      this.problem = problemOf(error);
      return false;
    } finally {
      this.busy = false;
    }
  }
}

/** A task that this page started and follows, also after a reload. */
export class FollowedTask extends Work {
  #key: string;
  id = $state<number>();
  task: Task | undefined = $derived(live.task(this.id));

  /** `key` is where its number is kept. */
  constructor(key: string) {
    super();
    this.#key = `task.${key}`;
    this.id = read<number | undefined>(this.#key, undefined);
  }

  get running(): boolean {
    return this.busy || this.task?.state === 'running';
  }

  get result(): TaskResult | undefined {
    return this.task?.state === 'succeeded' ? this.task.result : undefined;
  }

  /** What went wrong, with the request or with the task. */
  get trouble(): Problem | undefined {
    return this.problem ?? (this.task?.state === 'failed' ? this.task.problem : undefined);
  }

  /** Starts one; what goes wrong is kept in `problem`. Resolves to whether it was started. */
  async start(begin: () => Promise<TaskStarted>): Promise<boolean> {
    this.forget();
    return this.run(() => this.begin(begin));
  }

  /** The same for those who show what goes wrong themselves. */
  async begin(begin: () => Promise<TaskStarted>): Promise<void> {
    const { task } = await begin();
    this.id = task;
    write(this.#key, task);
  }

  /** Resolves when it has ended, or is followed no longer. To be called after `start`. */
  ended(): Promise<Task | undefined> {
    const id = this.id;
    return new Promise((resolve) => {
      const stop = $effect.root(() => {
        $effect(() => {
          if (this.id === id && (this.task === undefined || this.task.state === 'running')) return;
          resolve(this.id === id ? this.task : undefined);
          queueMicrotask(() => {
            stop();
          });
        });
      });
    });
  }

  /** Looks at it no longer. */
  forget(): void {
    this.id = undefined;
    this.problem = undefined;
    write(this.#key, undefined);
  }
}
