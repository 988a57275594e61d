/** Requests to the device: one function, one kind of error. */
import type { Problem } from './types.ts';

export const base = '/api/v1';

/** A request that did not succeed, with what the device said about it. */
export class Failure extends Error {
  constructor(
    readonly problem: Problem,
    /** Status of the answer; 0 if there was none. */
    readonly status: number,
  ) {
    super(problem.detail);
    this.name = 'Failure';
  }

  /** Whether the device could not be reached at all. */
  get lost(): boolean {
    return this.status === 0;
  }
}

/** What any error is, as a problem to show. */
export function problemOf(error: unknown): Problem {
  if (error instanceof Failure) return error.problem;
  return { code: 'internal', detail: error instanceof Error ? error.message : String(error) };
}

let csrfToken = '';
let onSignedOut: () => void = () => undefined;
let onMoved: () => void = () => {
  location.reload();
};

/** The token to send with everything that changes something. */
export function setCsrfToken(token: string): void {
  csrfToken = token;
}

/** What to do when the device says that nobody is signed in. */
export function whenSignedOut(callback: () => void): void {
  onSignedOut = callback;
}

/** What to do when the device answers elsewhere only; unless told otherwise, the page is loaded from there. */
export function whenMoved(callback: () => void): void {
  onMoved = callback;
}

/** A file as the body of a request. */
export class Upload {
  constructor(readonly file: Blob) {}
}

type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

/** Milliseconds after which nothing more is to be expected: the device itself gives up after a minute. */
const patience = 75_000;
/** The same while a file is sent: the device takes it as fast as its card does. */
const patienceForFiles = 3_600_000;

/** Sends a request and gives back the answer, or throws a {@link Failure}. */
export async function send(method: Method, path: string, body?: unknown): Promise<Response> {
  const headers: Record<string, string> = { accept: 'application/json, application/problem+json' };
  if (method !== 'GET') headers['x-csrf-token'] = csrfToken;
  const file = body instanceof Upload;
  if (body !== undefined) headers['content-type'] = file ? 'application/octet-stream' : 'application/json';
  const init: RequestInit = {
    method,
    headers,
    credentials: 'same-origin',
    cache: 'no-store',
    redirect: 'manual',
    signal: AbortSignal.timeout(file ? patienceForFiles : patience),
  };
  if (body !== undefined) init.body = file ? body.file : JSON.stringify(body);
  let response: Response;
  try {
    response = await fetch(base + path, init);
  } catch {
    throw new Failure({ code: 'unreachable', detail: 'the device does not answer' }, 0);
  }
  if (response.type === 'opaqueredirect') {
    // From its claim on, the device answers over HTTPS only. A script may not follow it there; a reload does, and keeps the
    // part of the address after `#`.
    onMoved();
    throw new Failure({ code: 'unreachable', detail: 'the device answers over HTTPS only' }, 0);
  }
  if (response.ok) return response;
  const problem = await readProblem(response);
  if (problem.code === 'sign_in_needed') onSignedOut();
  throw new Failure(problem, response.status);
}

/** The same, for answers in JSON. */
export async function ask<T>(method: Method, path: string, body?: unknown): Promise<T> {
  const response = await send(method, path, body);
  return (await response.json()) as T;
}

async function readProblem(response: Response): Promise<Problem> {
  const fallback: Problem = { code: 'internal', detail: `the device answered ${response.status}` };
  try {
    const value: unknown = await response.json();
    return isProblem(value) ? value : fallback;
  } catch {
    return fallback;
  }
}

function isProblem(value: unknown): value is Problem {
  return typeof value === 'object' && value !== null && 'code' in value && 'detail' in value;
}
