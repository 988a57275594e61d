/** Problems in the owner's words. */
import type { Problem } from '../api/types.ts';
import type { ProblemWords } from './en.ts';
import { i18n } from './i18n.svelte.ts';

/** What went wrong and what to do, for a problem of any device; `special` says it better where it happened. A kind that is newer than this page is a fault. */
export function sentence(problem: Problem, special: Partial<Record<string, ProblemWords>> = {}): ProblemWords {
  const known: Partial<Record<string, ProblemWords>> = i18n.t.problem.codes;
  return special[problem.code] ?? known[problem.code] ?? i18n.t.problem.codes.internal;
}

/** What is wrong with one part of a request, if the problem says so. */
export function wrongAt(problem: Problem | undefined, pointer: string): string | undefined {
  if (problem?.field !== pointer) return undefined;
  return [problem.detail, problem.remedy].filter(Boolean).join('; ');
}
