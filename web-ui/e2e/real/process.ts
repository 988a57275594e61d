/** Programs that tests start: on ports that are free, in folders that go away, ended by their own handle. */
import { spawn, type ChildProcess } from 'node:child_process';
import { createServer } from 'node:net';

/** How long a server may take to answer for the first time; the machine may be busy. */
const startLimit = 120_000;

/** A port of 127.0.0.1 that nobody uses now, below those that outgoing connections take. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 10_000);
    const free = await new Promise<boolean>((resolve) => {
      const server = createServer()
        .on('error', () => {
          resolve(false);
        })
        .listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
    });
    if (free) return port;
  }
}

/** Waits until something is true. */
export async function until(what: string, test: () => Promise<boolean> | boolean, limit = startLimit): Promise<void> {
  const end = Date.now() + limit;
  while (!(await test())) {
    if (Date.now() > end) throw new Error(`still waiting for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** A program that runs. */
export class Program {
  /** What it said. */
  output = '';
  #child: ChildProcess;
  #ended: Promise<number>;

  constructor(
    readonly name: string,
    command: string,
    words: string[],
    options: { cwd?: string; env?: NodeJS.ProcessEnv } = {},
  ) {
    this.#child = spawn(command, words, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
    const take = (data: Buffer): void => {
      this.output += data.toString();
    };
    this.#child.stdout?.on('data', take);
    this.#child.stderr?.on('data', take);
    this.#ended = new Promise((resolve) => {
      this.#child.on('error', (error) => {
        this.output += String(error);
        resolve(127);
      });
      this.#child.on('exit', (code) => {
        resolve(code ?? 128);
      });
    });
  }

  /** Waits until it serves. Fails with what it said if it ends before. */
  async serves(test: () => Promise<boolean>, limit = startLimit): Promise<void> {
    let code: number | undefined;
    void this.#ended.then((ended) => {
      code = ended;
    });
    const ready = async (): Promise<boolean> => {
      if (code !== undefined) throw new Error(`${this.name} ended with code ${code}:\n${this.output}`);
      return test();
    };
    await until(this.name, ready, limit);
  }

  /** Ends it and returns its exit code. */
  async end(signal: NodeJS.Signals = 'SIGTERM'): Promise<number> {
    this.#child.kill(signal);
    return this.#ended;
  }
}
