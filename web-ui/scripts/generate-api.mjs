/**
 * Makes src/api/generated.ts, the types of the API, from crates/web/openapi.json.
 *
 *   npm run api          writes it
 *   npm run api:check    fails if it is not what it would write
 */
import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

import openapiTS, { astToString } from 'openapi-typescript';

const source = new URL('../../crates/web/openapi.json', import.meta.url);
const target = fileURLToPath(new URL('../src/api/generated.ts', import.meta.url));

const head = '// Made from crates/web/openapi.json by `npm run api`. Do not edit.\n\n';
// Only the types: that the paths are right is shown by tests/calls.test.ts.
const document = JSON.parse(await readFile(source, 'utf8'));
const text = head + astToString(await openapiTS({ ...document, paths: {} }));

if (process.argv.includes('--check')) {
  const there = await readFile(target, 'utf8').catch(() => '');
  if (there !== text) {
    console.error('src/api/generated.ts is not what crates/web/openapi.json gives; run `npm run api` in web-ui');
    process.exit(1);
  }
  console.log('src/api/generated.ts is up to date');
} else {
  await writeFile(target, text);
  console.log(`wrote ${target}`);
}
