import { readFileSync } from 'node:fs';

import { beforeEach, expect, test, vi } from 'vitest';

import * as calls from '../src/api/calls.ts';
import { Failure, setCsrfToken, whenMoved, whenSignedOut } from '../src/api/client.ts';

interface Document {
  paths: Record<string, Record<string, unknown>>;
}
const document = JSON.parse(readFileSync('../crates/web/openapi.json', 'utf8')) as Document;

const fetched = vi.fn<typeof fetch>();
beforeEach(() => {
  fetched.mockReset();
  fetched.mockImplementation(() => Promise.resolve(new Response('{}', { status: 200 })));
  vi.stubGlobal('fetch', fetched);
});

const operations = Object.entries(calls).flatMap(([group, functions]) =>
  Object.entries(functions).map(
    ([name, run]) => [`${group}.${name}`, run as (...values: unknown[]) => Promise<unknown>] as const,
  ),
);

/** Operations on things that have numbers. */
const numbered = /^(usb\.(insert|eject)|tasks\.|configuration\.goBack)/;

test.each(operations)('%s is an operation of the API', async (name, run) => {
  // A name that would break a path that is not encoded.
  const first = numbered.test(name) ? 7 : 'a/b?c';
  await run(first, 'a/b?c', 'a/b?c', 'a/b?c');
  const [address, init] = fetched.mock.calls[0] ?? [];
  const path = new URL(String(address), 'http://device').pathname;
  const method = init?.method?.toLowerCase() ?? '';
  const match = Object.entries(document.paths).find(([pattern, methods]) => {
    const expression = new RegExp(`^${pattern.replace(/\{[^}]+\}/g, '[^/]+')}$`);
    return expression.test(path) && method in methods;
  });
  expect(match, `${method} ${path}`).toBeDefined();
});

test('changes carry the CSRF token, looks do not', async () => {
  setCsrfToken('abc');
  await calls.access.signOut();
  await calls.access.hello();
  const headers = fetched.mock.calls.map(([, init]) => (init?.headers as Record<string, string>)['x-csrf-token']);
  expect(headers).toEqual(['abc', undefined]);
});

test('a problem of the device comes as it is; a lost connection is told apart', async () => {
  const problem = { code: 'in_use', detail: 'image "a" has an owner' };
  fetched.mockImplementation(() => Promise.resolve(new Response(JSON.stringify(problem), { status: 409 })));
  await expect(calls.access.hello()).rejects.toMatchObject({ problem, status: 409, lost: false });
  fetched.mockImplementation(() => Promise.resolve(new Response('<html>', { status: 502 })));
  await expect(calls.access.hello()).rejects.toMatchObject({ problem: { code: 'internal' } });
  fetched.mockImplementation(() => Promise.reject(new TypeError('failed')));
  const error: unknown = await calls.access.hello().catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(Failure);
  expect(error).toMatchObject({ lost: true, problem: { code: 'unreachable' } });
});

test('the end of a session is noticed', async () => {
  const out = vi.fn();
  whenSignedOut(out);
  const problem = { code: 'sign_in_needed', detail: 'nobody is signed in' };
  fetched.mockImplementation(() => Promise.resolve(new Response(JSON.stringify(problem), { status: 401 })));
  await expect(calls.tasks.dismiss(1)).rejects.toBeInstanceOf(Failure);
  expect(out).toHaveBeenCalledOnce();
});

test('when the device answers over HTTPS only, the page goes there', async () => {
  const moved = vi.fn();
  whenMoved(moved);
  // What a browser gives for `redirect: 'manual'` (Fetch standard, 4.4).
  fetched.mockImplementation(() => Promise.resolve({ type: 'opaqueredirect', ok: false, status: 0 } as Response));
  await expect(calls.access.session()).rejects.toMatchObject({ lost: true });
  expect(moved).toHaveBeenCalledOnce();
  expect(fetched.mock.calls[0]?.[1]?.redirect).toBe('manual');
});
