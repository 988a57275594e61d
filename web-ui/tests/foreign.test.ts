import { flushSync, mount, unmount } from 'svelte';
import { afterEach, expect, test } from 'vitest';

import { evil } from '../dev/scenes.ts';
import Choices from '../src/parts/Choices.svelte';
import Facts from '../src/parts/Facts.svelte';
import Findings from '../src/parts/Findings.svelte';
import ProblemBox from '../src/parts/ProblemBox.svelte';
import TaskProgress from '../src/parts/TaskProgress.svelte';

let shown: Record<string, unknown> | undefined;
afterEach(async () => {
  if (shown) await unmount(shown);
  document.body.replaceChildren();
});

/** The text is there, and nothing of it became markup. */
function expectText(): void {
  flushSync();
  expect(document.body.textContent).toContain(evil);
  expect(document.querySelector('img')).toBeNull();
}

test('a problem shows foreign text as text', () => {
  const problem = { code: 'internal' as const, detail: evil, remedy: evil, object: evil };
  shown = mount(ProblemBox, { target: document.body, props: { problem } });
  expectText();
});

test('findings show foreign text as text', () => {
  const findings = [{ check: evil, verdict: 'bad' as const, detail: evil, remedy: evil }];
  shown = mount(Findings, { target: document.body, props: { findings } });
  expectText();
});

test('choices show foreign text as text', () => {
  const options = [{ value: evil, label: evil, about: evil }];
  shown = mount(Choices, { target: document.body, props: { legend: evil, options, value: '' } });
  expectText();
});

test('facts show foreign text as text', () => {
  shown = mount(Facts, { target: document.body, props: { facts: [{ name: evil, value: evil }] } });
  expectText();
});

test('tasks show foreign text as text', () => {
  const task = {
    id: 1,
    kind: 'doctor' as const,
    object: evil,
    started: '',
    can_cancel: true,
    state: 'running' as const,
  };
  shown = mount(TaskProgress, { target: document.body, props: { task } });
  expectText();
});
