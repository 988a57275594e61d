/** A real device on this machine: gadget-manager with its page, in a folder of its own, without a USB side. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { Page } from '@playwright/test';

import { Cable, near } from './cable.ts';
import { freePort, Program, until } from './process.ts';

const repository = new URL('../../..', import.meta.url).pathname;

/** The program under test: GADGET_MANAGER, or what `cargo build -p gadget-manager` made. */
function program(): string {
  const target = process.env.CARGO_TARGET_DIR ?? join(repository, 'target');
  const path = process.env.GADGET_MANAGER ?? join(target, 'debug/gadget-manager');
  if (!existsSync(path)) throw new Error(`${path} is missing: run cargo build -p gadget-manager`);
  return path;
}

export class Daemon {
  #program: Program | undefined;
  #csrf = '';
  /** The code that it was claimed with. */
  claimedWith = '';

  private constructor(
    readonly folder: string,
    private readonly port: number,
    private readonly tlsPort: number,
    private readonly cables: Cable[],
  ) {}

  /** One that is as new: no owner, no stores. */
  static async start(): Promise<Daemon> {
    const folder = mkdtempSync(join(tmpdir(), 'page-device-'));
    for (const name of ['state', 'run', 'disks', 'etc']) mkdirSync(join(folder, name), { mode: 0o700 });
    const ports = [await freePort(), await freePort()] as const;
    writeFileSync(
      join(folder, 'etc/gadget-manager.toml'),
      `state_dir = "${folder}/state"
run_dir = "${folder}/run"

[web]
http = ["127.0.0.1:${ports[0]}"]
https = ["127.0.0.1:${ports[1]}"]
allowed_hosts = ["${near}"]
announce = false
console = ""
`,
    );
    const daemon = new Daemon(folder, ...ports, await Promise.all(ports.map((port) => Cable.to(port))));
    await daemon.launch();
    return daemon;
  }

  private async launch(): Promise<void> {
    this.#program = new Program('gadget-manager', program(), [
      'run',
      '--config',
      join(this.folder, 'etc/gadget-manager.toml'),
    ]);
    await this.#program.serves(() =>
      fetch(`http://127.0.0.1:${this.port}/api/v1/hello`).then(
        (answer) => answer.ok,
        () => false,
      ),
    );
  }

  /** Where the set-up begins. */
  get address(): string {
    return `http://${near}:${this.port}`;
  }

  /** What is on its setup stick and serial console. */
  get claimCode(): string {
    const record: unknown = JSON.parse(readFileSync(join(this.folder, 'state/web/access.json'), 'utf8'));
    const code = (record as { claim_code?: unknown }).claim_code;
    if (typeof code !== 'string') throw new Error('the device has no claim code');
    return code;
  }

  /** Where it is once it has an owner. */
  get home(): string {
    return `https://${near}:${this.tlsPort}`;
  }

  /** Claims it for the browser of this page, by the API. */
  async claimed(page: Page, password: string): Promise<void> {
    this.claimedWith = this.claimCode;
    const session = await this.send(page, 'POST', '/claim', { code: this.claimedWith, password });
    this.#csrf = (session as { csrf_token: string }).csrf_token;
  }

  /** Makes a disk in a folder of it, by the API. */
  async withDisk(page: Page, name: string): Promise<void> {
    const values = { folder: `${this.folder}/disks` };
    await this.send(page, 'PUT', '/stores/card', { type: 'file', way: 'folder', values });
    const filesystem = { type: 'fat', label: 'FILMS', table: 'mbr' };
    const image = { name, size: 2 ** 28, filesystem };
    const { task } = (await this.send(page, 'POST', '/stores/card/images', image)) as { task: number };
    await until('the image', async () => {
      const { state } = (await this.send(page, 'GET', `/tasks/${task}`)) as { state: string };
      return state === 'succeeded';
    });
    await this.send(page, 'POST', '/disks', { name, store: 'card', image: name, read_only: false, insert: true });
  }

  private async send(page: Page, method: string, path: string, data?: unknown): Promise<unknown> {
    const headers = { 'x-csrf-token': this.#csrf };
    const answer = await page.request.fetch(`${this.home}/api/v1${path}`, { method, headers, data });
    if (!answer.ok()) throw new Error(`${method} ${path} was answered with ${answer.status()}: ${await answer.text()}`);
    return answer.json();
  }

  /** What it said. */
  get log(): string {
    return this.#program?.output ?? '';
  }

  /** Cuts the phone off, as a network does. */
  cut(): void {
    for (const cable of this.cables) cable.pull();
  }

  mend(): void {
    for (const cable of this.cables) cable.plug();
  }

  /** Ends it; a clean end is part of every test. */
  async stop(): Promise<void> {
    const code = await this.#program?.end();
    await Promise.all(this.cables.map((cable) => cable.remove()));
    rmSync(this.folder, { recursive: true, force: true });
    if (code !== 0) throw new Error(`gadget-manager ended with code ${code}:\n${this.log}`);
  }
}
