/** Where the page under test is: the built page with the device in memory behind it. */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';

/** Binds random ports below the ephemeral range, which nobody's outgoing connection takes, until one is free. */
const findPort = `
  const net = require('net');
  const look = () => {
    const port = 20000 + Math.floor(Math.random() * 10000);
    const server = net.createServer().on('error', look).listen(port, '127.0.0.1', () => {
      console.log(port);
      server.close();
    });
  };
  look();`;

/** A free port of 127.0.0.1, the same in all processes of a run. */
export function port(): string {
  return (process.env.PAGE_PORT ??= execFileSync(process.execPath, ['-e', findPort]).toString().trim());
}

export const baseURL = (): string => `http://127.0.0.1:${port()}`;

/** The built page. */
export const webServer = () => ({
  command: `npx vite preview --host 127.0.0.1 --strictPort --port ${port()}`,
  url: baseURL(),
  cwd: new URL('../..', import.meta.url).pathname,
  reuseExistingServer: false,
  timeout: 120_000,
});

const chromium = process.env.CHROMIUM ?? '/usr/bin/chromium';
if (!existsSync(chromium)) {
  throw new Error(`${chromium} is missing: run scripts/install-dependencies, or name another one in CHROMIUM`);
}

/** Debian's Chromium, kept from calling home: without these options it looks for its maker's servers all the time. */
export const browser = {
  executablePath: chromium,
  args: [
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
  ],
};

export const phone = { width: 360, height: 740 };
