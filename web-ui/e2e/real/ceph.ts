/** A real Ceph cluster on this machine, made by scripts/ceph. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Program } from './process.ts';

const script = new URL('../../../scripts/ceph', import.meta.url).pathname;

/** A cluster takes 5 to 15 s to start; the first one on a machine waits until Ceph is downloaded. */
export const startLimit = 480_000;

/** As long as a cephx key, and of no user: type 1, a time, 16 bytes. */
export const foreignKey = Buffer.from([1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 16, 0, ...Array<number>(16).fill(7)]).toString(
  'base64',
);

export class Ceph {
  /** The pool for images. */
  readonly pool = 'sticks';
  /** The user with the least rights, without `client.`. */
  readonly user = 'stick';

  private constructor(
    private readonly program: Program,
    private readonly folder: string,
  ) {}

  static async start(): Promise<Ceph> {
    const folder = mkdtempSync(join(tmpdir(), 'page-ceph-'));
    const words = ['start', folder, '--foreground', '--pool', 'sticks', '--user', 'stick'];
    const program = new Program('Ceph', script, words);
    await program.serves(() => Promise.resolve(/^ready after/m.test(program.output)), startLimit);
    return new Ceph(program, folder);
  }

  /** What an owner pastes: the three lines that `ceph config generate-minimal-conf` prints. */
  minimalConf(monitors?: string): string {
    const fact = (name: string): string => {
      const found = new RegExp(`^\\s*${name} = (.+)$`, 'm').exec(readFileSync(join(this.folder, 'ceph.conf'), 'utf8'));
      if (!found?.[1]) throw new Error(`the cluster's ceph.conf has no ${name}`);
      return found[1];
    };
    return `# minimal ceph.conf\n[global]\n\tfsid = ${fact('fsid')}\n\tmon_host = ${monitors ?? fact('mon_host')}\n`;
  }

  /** The keyring of the user with the least rights. */
  get keyring(): string {
    return readFileSync(join(this.folder, `ceph.client.${this.user}.keyring`), 'utf8');
  }

  /** What one of Ceph's tools says to the cluster's administrator. */
  tool(...words: string[]): string {
    return execFileSync(script, ['run', this.folder, '--', ...words], { stdio: ['ignore', 'pipe', 'pipe'] }).toString();
  }

  /** Takes an image out of the cluster and checks the file system in its first partition, with programs that are not ours. */
  checkFat(image: string): string {
    const file = join(this.folder, `${image}.raw`);
    this.tool('rbd', 'export', '--no-progress', `${this.pool}/${image}`, file);
    const bytes = readFileSync(file);
    if (bytes.subarray(510, 512).toString('hex') !== '55aa') throw new Error(`${image} has no partition table`);
    const [start, sectors] = [bytes.readUInt32LE(446 + 8), bytes.readUInt32LE(446 + 12)];
    writeFileSync(file, bytes.subarray(start * 512, (start + sectors) * 512));
    const said = execFileSync('/usr/sbin/fsck.fat', ['-n', '-v', file]).toString();
    rmSync(file);
    return said;
  }

  async stop(): Promise<void> {
    await this.program.end();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
