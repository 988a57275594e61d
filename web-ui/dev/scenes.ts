/** States to begin with: what a device looks like in some typical moments. */
import type { Counters, Disk, Image, Snapshot, State } from '../src/api/types.ts';

export interface Scene {
  claimed: boolean;
  state: State;
  images: Record<string, Image[]>;
  snapshots: Record<string, Snapshot[]>;
}

const ago = (seconds: number): string => new Date(Date.now() - seconds * 1000).toISOString();
const operation = (requests: number, bytes: number, rate: number) => ({
  requests,
  errors: 0,
  bytes,
  rate,
  median_ms: 6.4,
  p99_ms: 38.2,
});
const counters = (read: number, write: number, inFlight: number): Counters => ({
  read: operation(48_213, 6.1e9, read),
  write: operation(911, 1.2e8, write),
  flush: operation(57, 0, 0),
  in_flight: inFlight,
});
const image = (name: string, gigabytes: number, more: Partial<Image> = {}): Image => ({
  name,
  size: Math.floor((gigabytes * 1e9) / 2 ** 20) * 2 ** 20,
  format: 'raw',
  details: {},
  ...more,
});

/** No owner, no network trouble, nothing set up. */
export function unclaimed(): Scene {
  return {
    claimed: false,
    images: {},
    snapshots: {},
    state: {
      configuration: 1,
      device: {
        name: 'cloud-stick',
        version: '0.3.0',
        board: 'Xunlong Orange Pi PC',
        kernel: '6.12.41',
        serial: '02c0008132a54c11',
        started: ago(3 * 3600),
        clock: { now: ago(0), source: 'network' },
        memory: { total: 512 << 20, available: 391 << 20, daemon: 21 << 20 },
        updates: { version: '0.3.0', channel: 'release', slot: 'a', accepts: ['release'] },
        wipes: true,
        problems: [],
      },
      usb: {
        controller: 'musb-hdrc.2.auto',
        state: 'unplugged',
        identity: {
          vendor_id: 0x1d6b,
          product_id: 0x0104,
          manufacturer: 'Cloud Stick',
          product: 'USB Drive',
          serial: '02c0008132a54c11',
          max_power_ma: 500,
        },
        luns: [{ disk: null, read_only: false, cdrom: false, removable: true, medium: 'empty' }],
      },
      disks: [],
      stores: [],
      network: {
        mdns_name: 'cloud-stick.local',
        urls: ['https://cloud-stick.local/', 'https://192.168.1.40/'],
        interfaces: [
          {
            name: 'end0',
            kind: 'ethernet',
            up: true,
            addresses: ['192.168.1.40/24', 'fe80::2c0:8ff:fe13:2a54/64'],
            mac: '02:c0:00:81:32:a5',
          },
        ],
        wifi: false,
        remembered: [],
      },
      tasks: [],
    },
  };
}

/** Claimed a moment ago by a phone in the network that the device makes itself. */
export function inside(): Scene {
  const scene = unclaimed();
  scene.claimed = true;
  const { network } = scene.state;
  network.wifi = true;
  network.access_point = { ssid: 'CloudStick-4C11', clients: 1 };
  network.urls = ['https://cloud-stick.local/', 'https://192.168.213.1/'];
  network.interfaces = [
    { name: 'end0', kind: 'ethernet', up: false, addresses: [] },
    { name: 'wlan0', kind: 'wifi', up: true, addresses: ['192.168.213.1/24'] },
  ];
  network.problem = {
    code: 'wrong_secret',
    detail: 'the Wi-Fi network "<b>Attic</b>" has another password',
    remedy: 'type the password that other devices use there',
    object: '<b>Attic</b>',
    field: '/password',
  };
  return scene;
}

/** Claimed a moment ago, with Wi-Fi. */
export function claimed(): Scene {
  const scene = unclaimed();
  scene.claimed = true;
  scene.state.network.wifi = true;
  scene.state.network.remembered = ['Attic'];
  scene.state.network.interfaces.push({ name: 'wlan0', kind: 'wifi', up: false, addresses: [] });
  return scene;
}

function disk(name: string, store: string, name_of_image: string, more: Partial<Disk> = {}): Disk {
  return {
    name,
    store,
    image: name_of_image,
    read_only: false,
    limits: { read_bytes: 0, write_bytes: 0, read_requests: 0, write_requests: 0 },
    phase: 'online',
    since: ago(2 * 3600),
    size: 32e9,
    path: [
      { kind: 'stick', state: 'good', detail: 'lun.0' },
      { kind: 'kernel_device', state: 'good', detail: '/dev/ublkb0' },
      { kind: 'store', state: 'good', detail: 'mystorage, container sticks' },
    ],
    counters: counters(0, 0, 0),
    ...more,
  };
}

/** One disk in use by a TV. */
export function busy(): Scene {
  const scene = claimed();
  const { state } = scene;
  state.device.name = 'living-room';
  state.network.mdns_name = 'living-room.local';
  state.usb.state = 'connected';
  state.usb.speed = 'high';
  state.usb.luns = [{ disk: 'films', read_only: false, cdrom: false, removable: true, medium: 'inserted' }];
  state.stores = [
    {
      name: 'azure',
      type: 'azure',
      description: 'Azure page blobs, account mystorage, container sticks',
      values: { account: 'mystorage', container: 'sticks' },
      secrets: ['key'],
      disks: ['films'],
    },
  ];
  state.disks = [disk('films', 'azure', 'films.img', { counters: counters(4.1e6, 0, 3) })];
  scene.images.azure = [
    image('films.img', 32, {
      disk: 'films',
      allocated: 6.4e9,
      owner: 'living-room',
      modified: ago(600),
      details: { etag: '0x8DC4F2A', lease: 'leased' },
    }),
    image('music.img', 8, { allocated: 1.1e9 }),
    image('backup/photos.vhd', 128, { format: 'vhd', owner: 'attic' }),
  ];
  scene.snapshots['azure/films.img'] = [
    { id: '2026-11-02T09:00:00.0000000Z', label: 'Before the holidays', created: '2026-11-02T09:00:00Z', size: 32e9 },
    { id: '2026-11-20T18:30:00.0000000Z', created: '2026-11-20T18:30:00Z', size: 32e9 },
  ];
  return scene;
}

/** Three disks, two of them in trouble, a task under way, a wrong clock; on a machine that cannot be updated as a whole. */
export function troubled(): Scene {
  const scene = busy();
  const { state } = scene;
  delete state.device.updates;
  state.device.wipes = false;
  state.stores.push({
    name: 'ceph',
    type: 'rbd',
    description: 'Ceph RBD, pool sticks',
    values: { pool: 'sticks' },
    secrets: ['keyring'],
    disks: ['music', 'holidays-2019-and-everything-before'],
  });
  state.disks.push(
    disk('music', 'ceph', 'music', {
      phase: 'offline',
      since: ago(260),
      path: [
        { kind: 'stick', state: 'good' },
        { kind: 'kernel_device', state: 'good', detail: '/dev/ublkb1' },
        { kind: 'throttle', state: 'good', detail: '2 MB/s' },
        { kind: 'store', state: 'waiting', detail: 'pool sticks' },
      ],
      limits: { read_bytes: 2_000_000, write_bytes: 0, read_requests: 0, write_requests: 0 },
      problem: {
        code: 'unreachable',
        detail: 'disk "music": no monitor of the cluster answers at 10.0.0.5:6789',
        remedy: 'check that the cluster runs and that this network reaches it',
        object: 'music',
      },
    }),
    disk('holidays-2019-and-everything-before', 'ceph', 'holidays', {
      phase: 'fenced',
      since: ago(86_000),
      counters: null,
      path: [{ kind: 'store', state: 'broken', detail: 'pool sticks' }],
      problem: {
        code: 'fenced',
        detail: 'disk "holidays-2019-and-everything-before": another client holds the lock (attic, 10.0.0.7)',
        object: 'holidays-2019-and-everything-before',
      },
    }),
  );
  state.usb.luns.push(
    { disk: 'music', read_only: false, cdrom: false, removable: true, medium: 'waiting' },
    {
      disk: 'holidays-2019-and-everything-before',
      read_only: true,
      cdrom: false,
      removable: true,
      medium: 'ejected',
    },
  );
  state.device.clock.source = 'unknown';
  state.tasks = [
    {
      id: 1,
      kind: 'create_image',
      object: 'photos.img',
      started: ago(12),
      can_cancel: true,
      state: 'running',
      progress: { done: 3.1e9, total: 8e9, unit: 'bytes' },
    },
  ];
  scene.images.ceph = [
    image('music', 32, { disk: 'music' }),
    image('holidays', 32, { disk: 'holidays-2019-and-everything-before' }),
  ];
  return scene;
}

/** Names that somebody hostile chose: they are text, and stay text. */
export const evil = '<img src=x onerror="window.hacked=1">';
export function hostile(): Scene {
  const scene = busy();
  scene.images.azure?.push(image(evil, 1, { owner: evil, details: { [evil]: evil } }));
  const [films] = scene.state.disks;
  if (films) films.path.push({ kind: 'store', state: 'good', detail: evil });
  const store = scene.state.stores[0];
  if (store) store.description = evil;
  scene.state.network.remembered = [evil];
  scene.state.device.problems = [{ code: 'internal', detail: evil, remedy: evil, object: evil }];
  scene.snapshots['azure/films.img']?.push({ id: evil, label: evil });
  return scene;
}

export const scenes = { unclaimed, inside, claimed, busy, troubled, hostile };
export type SceneName = keyof typeof scenes;
