/** A real Azurite: the blob service of Azure Storage on this machine. */
import { execFileSync } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { freePort, Program } from './process.ts';

const install = new URL('../../../ci/azurite/install', import.meta.url).pathname;

/** The account that every Azurite has; documented, and no secret. */
const account = 'devstoreaccount1';
const key = 'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==';

export class Azurite {
  readonly account = account;
  readonly key = key;

  private constructor(
    readonly port: number,
    private readonly program: Program,
    private readonly folder: string,
  ) {}

  static async start(): Promise<Azurite> {
    const home = execFileSync(install).toString().trim();
    const folder = mkdtempSync(join(tmpdir(), 'page-azurite-'));
    const port = await freePort();
    const env = { ...process.env };
    delete env.NODE_OPTIONS;
    const program = new Program(
      'Azurite',
      process.execPath,
      [
        join(home, 'node_modules/azurite/dist/src/blob/main.js'),
        ...['--blobHost', '127.0.0.1', '--blobPort', String(port), '--inMemoryPersistence'],
        ...['--silent', '--disableTelemetry', '--skipApiVersionCheck'],
      ],
      { cwd: folder, env },
    );
    const answers = (): Promise<boolean> =>
      fetch(`http://127.0.0.1:${port}/`).then(
        () => true,
        () => false,
      );
    await program.serves(answers);
    return new Azurite(port, program, folder);
  }

  /** Its address with the account, directly or at the near end of a cable. */
  endpoint(host = '127.0.0.1'): string {
    return `http://${host}:${this.port}/${account}`;
  }

  connectionString(how: { key?: string; host?: string } = {}): string {
    const endpoint = this.endpoint(how.host);
    return `DefaultEndpointsProtocol=http;AccountName=${account};AccountKey=${how.key ?? key};BlobEndpoint=${endpoint};`;
  }

  /** A shared access signature of the account that ends so many seconds from now (or ended, below zero). */
  sas(seconds: number, permissions = 'rwdlac'): string {
    const version = '2021-12-02';
    const expiry = new Date(Date.now() + seconds * 1000).toISOString().replace(/\.\d+Z/, 'Z');
    const lines = [account, permissions, 'b', 'sco', '', expiry, '', 'https,http', version, '', ''];
    const signature = createHmac('sha256', Buffer.from(key, 'base64')).update(lines.join('\n')).digest('base64');
    const words = { sv: version, ss: 'b', srt: 'sco', sp: permissions, se: expiry, spr: 'https,http', sig: signature };
    return new URLSearchParams(words).toString();
  }

  /** Makes a container and an empty page blob in it, as another program would. */
  async makePageBlob(container: string, name: string, size: number): Promise<void> {
    const put = async (path: string, words: string, headers: Record<string, string> = {}): Promise<void> => {
      const answer = await fetch(`${this.endpoint()}/${path}?${words}${this.sas(3600)}`, {
        method: 'PUT',
        headers: { 'x-ms-version': '2021-12-02', ...headers },
      });
      if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
    };
    await put(container, 'restype=container&');
    await put(`${container}/${encodeURIComponent(name)}`, '', {
      'x-ms-blob-type': 'PageBlob',
      'x-ms-blob-content-length': String(size),
    });
  }

  /** The bytes of a blob, read with a signature of our own, not through the device. */
  async blob(container: string, name: string, from: number, length: number): Promise<Buffer> {
    const answer = await fetch(`${this.endpoint()}/${container}/${name}?${this.sas(3600)}`, {
      headers: { 'x-ms-range': `bytes=${from}-${from + length - 1}`, 'x-ms-version': '2021-12-02' },
    });
    if (!answer.ok) throw new Error(`${container}/${name}: ${answer.status} ${await answer.text()}`);
    return Buffer.from(await answer.arrayBuffer());
  }

  async stop(): Promise<void> {
    await this.program.end('SIGKILL');
    rmSync(this.folder, { recursive: true, force: true });
  }
}
