/** What was chosen so far, kept over a reload of the page. No secrets: those are typed anew. */
import type { PartitionTable } from '../../api/types.ts';
import { read, write } from '../../state/kept.svelte.ts';

export type FilesystemKind = 'fat' | 'exfat' | 'none';

export interface Draft {
  /** Whether this is the first set-up, with name and network. */
  first: boolean;
  /** Name of the store, once there is one. */
  store: string;
  /** Whether an image is made. */
  create: boolean;
  /** The image that is there already. */
  existing: string;
  image: string;
  /** In GB. */
  size: number | null;
  preset: string;
  filesystem: FilesystemKind;
  label: string;
  table: PartitionTable;
  format: string;
  /** What the disk is to be called; empty for a name made from the image's. */
  disk: string;
  readOnly: boolean;
}

const fresh: Draft = {
  first: false,
  store: '',
  create: true,
  existing: '',
  image: 'my-stick',
  size: 32,
  preset: '32',
  filesystem: 'fat',
  label: 'CLOUD',
  table: 'mbr',
  format: '',
  disk: '',
  readOnly: false,
};

const key = 'setup';
export const draft = $state<Draft>({ ...fresh, ...read<Partial<Draft>>(key, {}) });

$effect.root(() => {
  $effect(() => {
    write(key, $state.snapshot(draft));
  });
});

/** Begins anew. */
export function reset(first: boolean): void {
  Object.assign(draft, fresh, { first });
}

/** A size in bytes: whole MiB, so that every store and file system likes it. */
export function bytes(gigabytes: number): number {
  const mebibyte = 1 << 20;
  return Math.round((gigabytes * 1e9) / mebibyte) * mebibyte;
}

/** A name for a disk, made from that of its image. */
export function diskName(image: string, taken: string[]): string {
  const plain =
    image
      .replace(/\.(img|vhd|raw|bin)$/i, '')
      .replace(/[^A-Za-z0-9._-]+/g, '-')
      .replace(/^[-.]+/, '')
      .slice(0, 60) || 'disk';
  let name = plain;
  for (let number = 2; taken.includes(name); number += 1) name = `${plain}-${number}`;
  return name;
}

export const isDiskName = (name: string): boolean => /^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$/.test(name);

/** As the device checks it: no part is empty, `.` or `..`. */
export function isImageName(name: string): boolean {
  // eslint-disable-next-line no-control-regex
  if (name.length > 1024 || /[\u0000-\u001f\u007f\\]/.test(name)) return false;
  return name.split('/').every((part) => part !== '' && part !== '.' && part !== '..');
}
