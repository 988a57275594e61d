/**
 * The device in memory behind `vite` and `vite preview`.
 *
 * Each browser context has a device of its own, by a cookie: `POST /dev/device {"scene": …}` gives it a new one, and
 * `POST /dev/do` lets things happen to it. Of no build.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';

import type { Connect, Plugin } from 'vite';

import { DevDevice, Refusal } from './device.ts';
import { closed, open, type File } from './routes.ts';
import { scenes, type SceneName } from './scenes.ts';

const devices = new Map<string, DevDevice>();
let next = 1;

/** As the daemon sends it (crates/web/src/server/headers.rs): whatever it forbids must not work here either. */
export const policy =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; " +
  "manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

export function devDevice(): Plugin {
  const use = (middlewares: Connect.Server): void => {
    middlewares.use((request, response, proceed) => {
      void answer(request, response, proceed).catch(proceed);
    });
  };
  return {
    name: 'device-in-memory',
    apply: (_, { isPreview, command }) => isPreview === true || command === 'serve',
    configureServer: (server) => {
      use(server.middlewares);
    },
    configurePreviewServer: (server) => {
      server.middlewares.use((_, response, proceed) => {
        response.setHeader('content-security-policy', policy);
        response.setHeader('x-content-type-options', 'nosniff');
        proceed();
      });
      use(server.middlewares);
    },
  };
}

function deviceOf(request: IncomingMessage): DevDevice {
  const id = /(?:^|; )dev-device=([^;]+)/.exec(request.headers.cookie ?? '')?.[1] ?? 'default';
  let device = devices.get(id);
  if (!device) {
    device = new DevDevice('busy');
    devices.set(id, device);
  }
  return device;
}

async function answer(request: IncomingMessage, response: ServerResponse, proceed: () => void): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://device');
  if (url.pathname === '/dev/device') return makeDevice(request, response, url);
  if (!url.pathname.startsWith('/api/v1') && !url.pathname.startsWith('/dev/')) {
    proceed();
    return;
  }
  const device = deviceOf(request);
  if (url.pathname === '/dev/do') {
    happen(device, JSON.parse(await read(request)));
    send(response, 200, {});
  } else if (device.cut) {
    request.socket.destroy();
  } else {
    await call(device, request, response, url);
  }
}

async function makeDevice(request: IncomingMessage, response: ServerResponse, url: URL): Promise<void> {
  const body: unknown = request.method === 'POST' ? JSON.parse(await read(request)) : undefined;
  const wanted = (body as { scene?: string } | undefined)?.scene ?? url.searchParams.get('scene') ?? 'busy';
  const name = (wanted in scenes ? wanted : 'busy') as SceneName;
  const id = String(next++);
  devices.set(id, new DevDevice(name));
  response.setHeader('set-cookie', `dev-device=${id}; Path=/; HttpOnly; SameSite=Strict`);
  if (request.method === 'POST') send(response, 200, { id });
  else response.writeHead(302, { location: '/' }).end();
}

/** Lets something happen: flags of the device, and parts of its state. */
function happen(device: DevDevice, wish: Record<string, unknown>): void {
  const { state, line, ...flags } = wish;
  Object.assign(device, flags);
  if (typeof line === 'string') device.say(line);
  if (state && typeof state === 'object') {
    Object.assign(device.state, state);
    device.emitAll();
  }
  if (device.cut)
    for (const listener of device.listeners)
      listener({ event: 'log', data: { number: -1, time: '', level: 'info', target: 'cut', text: '' } });
}

async function call(device: DevDevice, request: IncomingMessage, response: ServerResponse, url: URL): Promise<void> {
  const method = request.method ?? 'GET';
  const path = url.pathname.slice('/api/v1'.length);
  try {
    const found = find(open, method, path);
    const handler = found ?? find(closed, method, path);
    if (!found && !device.signedIn) throw new Refusal(401, { code: 'sign_in_needed', detail: 'nobody is signed in' });
    if (path === '/events') {
      follow(device, response, url.searchParams.get('log') === '1');
      return;
    }
    if (!handler) throw new Refusal(404, { code: 'not_found', detail: `the API has no ${method} ${path}` });
    if (!found && method !== 'GET' && request.headers['x-csrf-token'] !== device.csrf) {
      throw new Refusal(403, { code: 'forbidden', detail: 'the CSRF token is missing' });
    }
    const text = await read(request);
    if (path === '/hello') device.wasAsked();
    const result = await handler.run({
      device,
      at: handler.at,
      body: isJson(request) && text ? JSON.parse(text) : { text },
      query: url.searchParams,
    });
    if (isFile(result)) {
      response.setHeader('content-disposition', `attachment; filename="${result.file}"`);
      response.setHeader('content-type', 'application/octet-stream');
      response.end(result.text);
    } else if (result === undefined) response.writeHead(204).end();
    else send(response, 200, result);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    send(response, error.status, error.problem);
  }
}

const isJson = (request: IncomingMessage): boolean => request.headers['content-type'] !== 'application/octet-stream';

const isFile = (value: unknown): value is File => typeof value === 'object' && value !== null && 'file' in value;

function find(
  table: typeof open,
  method: string,
  path: string,
): { run: (typeof open)[string]; at: string[] } | undefined {
  const parts = path.split('/').map(decodeURIComponent);
  for (const [key, run] of Object.entries(table)) {
    const [wanted, pattern = ''] = key.split(' ');
    const shape = pattern.split('/');
    if (wanted !== method || shape.length !== parts.length) continue;
    if (shape.every((part, index) => part === '*' || part === parts[index])) {
      return { run, at: parts.filter((_, index) => shape[index] === '*') };
    }
  }
  return undefined;
}

function follow(device: DevDevice, response: ServerResponse, log: boolean): void {
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
  const listener: Parameters<typeof device.listeners.add>[0] = (event) => {
    if (device.cut || !device.signedIn) response.destroy();
    else if (event.event !== 'log' || log) response.write(`event: ${event.event}\ndata: ${JSON.stringify(event)}\n\n`);
  };
  device.listeners.add(listener);
  response.on('close', () => device.listeners.delete(listener));
  listener({ event: 'state', data: device.state });
}

async function read(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of request) text += String(chunk);
  return text;
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': status < 400 ? 'application/json' : 'application/problem+json' });
  response.end(JSON.stringify(body));
}
