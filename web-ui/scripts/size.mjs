/** Measures what a phone has to load, compressed as the device sends it, and fails above the limit. */
import { readdir, readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync, gzipSync } from 'node:zlib';

/** KiB of Brotli for everything together. */
const limit = 150;
const folder = fileURLToPath(new URL('../dist', import.meta.url));

const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
if (files.length === 0) {
  console.error('there is no built page; run `npm run build` first');
  process.exit(1);
}

const kib = (bytes) => (bytes / 1024).toFixed(1).padStart(8);
let sum = 0;
console.log('   plain     gzip   brotli  KiB');
for (const file of files.sort()) {
  const plain = await readFile(file);
  const brotli = Math.min(plain.length, brotliCompressSync(plain).length);
  sum += brotli;
  console.log(
    `${kib(plain.length)} ${kib(gzipSync(plain, { level: 9 }).length)} ${kib(brotli)}  ${relative(folder, file)}`,
  );
}
console.log(`${kib(sum)} KiB of ${limit} KiB with Brotli`);

const html = await readFile(join(folder, 'index.html'), 'utf8');
const inline = /<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=/i.exec(html);
if (inline) console.error(`index.html holds what the content security policy forbids: ${inline[0]}`);
if (sum > limit * 1024) console.error(`the page is larger than ${limit} KiB`);
if (inline || sum > limit * 1024) process.exit(1);
