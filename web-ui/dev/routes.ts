/** What the device in memory answers to each operation. */
import { storeTypes } from './forms.ts';
import { claimCode, refuse, type DevDevice } from './device.ts';

// The body was written by the page, which is checked against the types; here it is read as it comes.
// eslint-disable-next-line @typescript-eslint/no-explicit-any
type Body = any;
export interface Call {
  device: DevDevice;
  /** Parts of the path that the pattern left open. */
  at: string[];
  body: Body;
  query: URLSearchParams;
}
export interface File {
  file: string;
  text: string;
}
type Handler = (call: Call) => unknown;

/** Operations by method and path; `*` is any one part. */
export const open: Record<string, Handler> = {
  'GET /hello': ({ device }) => ({
    product: 'cloud-stick',
    version: device.state.device.version,
    name: device.state.device.name,
    claimed: device.scene.claimed,
    signed_in: device.signedIn,
    button_pressed: device.buttonPressed,
  }),
  'POST /claim': ({ device, body }) => {
    if (device.scene.claimed) refuse(409, 'already_claimed', 'the device has an owner already');
    if (!device.buttonPressed && body.code !== claimCode) {
      refuse(401, 'wrong_secret', 'the claim code is wrong', { field: '/code' });
    }
    device.scene.claimed = true;
    device.password = body.password;
    return enter(device);
  },
  'POST /session': ({ device, body }) => {
    if (body.password !== device.password) refuse(401, 'wrong_secret', 'the password is wrong', { retry_after: 2 });
    return enter(device);
  },
};

function enter(device: DevDevice): unknown {
  device.signedIn = true;
  return session(device);
}

const session = (device: DevDevice): unknown => ({
  csrf_token: device.csrf,
  expires: new Date(Date.now() + 86_400_000).toISOString(),
});

function confirm(typed: string | null | undefined, name: string): void {
  if (typed !== name) refuse(400, 'not_confirmed', `the typed name is not "${name}"`, { field: '/confirm' });
}

export const closed: Record<string, Handler> = {
  'GET /session': ({ device }) => session(device),
  'DELETE /session': ({ device }) => {
    device.signedIn = false;
  },
  'PUT /password': ({ device, body }) => {
    if (body.current !== device.password) refuse(401, 'wrong_secret', 'the password is wrong', { field: '/current' });
    device.password = body.new;
    return session(device);
  },
  'GET /sessions': ({ device }) => device.sessions,
  'DELETE /sessions': ({ device }) => {
    device.sessions = device.sessions.filter((one) => one.current);
  },
  'DELETE /sessions/*': ({ device, at }) => {
    device.sessions = device.sessions.filter((one) => one.id !== at[0]);
  },
  'GET /tokens': ({ device }) => device.tokens,
  'POST /tokens': ({ device, body }) => {
    const token = {
      id: `t${device.tokens.length + 1}`,
      name: body.name,
      read_only: body.read_only,
      created: new Date().toISOString(),
    };
    device.tokens.push(token);
    return { ...token, secret: 'cst_3k9QmZr7VtYw2LxPbN8sHd4Fj6Gc5Ea1' };
  },
  'DELETE /tokens/*': ({ device, at }) => {
    device.tokens = device.tokens.filter((token) => token.id !== at[0]);
  },

  'PUT /device/name': ({ device, body }) => {
    device.state.device.name = body.name;
    device.state.network.mdns_name = `${body.name}.local`;
    return device.changed(`name is now ${body.name}`);
  },
  'POST /doctor': ({ device }) =>
    device.start('doctor', undefined, () => ({ type: 'findings', findings: device.findings() })),
  'GET /log': ({ device }) => device.log,
  'GET /log/file': ({ device }): File => ({
    file: 'cloud-stick.log',
    text: device.log.map((line) => `${line.time} ${line.text}\n`).join(''),
  }),
  'POST /device/factory-reset': ({ device, body }) => {
    confirm(body.confirm, device.state.device.name);
    device.scene.claimed = false;
    device.signedIn = false;
    // Streams end before the answer comes: the page asks who the device is meanwhile.
    device.say('the device is reset');
    return device.asked();
  },

  'GET /configuration/versions': ({ device }) => device.versions,
  'POST /configuration/versions/*/apply': ({ device, at }) =>
    device.start('apply', undefined, () => ({ type: 'applied', ...device.changed(`back to version ${at[0] ?? ''}`) }), {
      cancel: false,
    }),
  'POST /configuration/backup': ({ body }): File => ({
    file: 'cloud-stick.backup',
    text: body.passphrase ? 'sealed' : 'open',
  }),
  'POST /configuration/restore': ({ device }) =>
    device.start('apply', undefined, () => ({ type: 'applied', ...device.changed('back-up restored') }), {
      cancel: false,
    }),

  'GET /store-types': () => storeTypes,
  'POST /store-probes': ({ device, body }) => {
    const secret = Object.values(body.settings.values).some((value) => String(value).includes('wrong'));
    return device.start('probe_store', body.settings.type, () => {
      if (secret) {
        refuse(422, 'denied', 'the account mystorage refuses the key', {
          remedy: 'copy the key again from the portal',
          field: '/settings/values/key',
        });
      }
      return {
        type: 'probe',
        usable: true,
        findings: [
          { check: 'address', verdict: 'good', detail: 'mystorage.blob.core.windows.net answers in 23 ms' },
          { check: 'clock', verdict: 'good', detail: 'agrees with that of the store' },
          { check: 'rights', verdict: 'good', detail: 'read, write, list, create' },
        ],
        places: device.scene.images.places?.map(({ name }) => ({ name })) ?? [{ name: 'sticks' }, { name: '$logs' }],
      };
    });
  },
  'POST /store-places': ({ body }) => ({ name: body.name }),
  'PUT /stores/*': ({ device, at, body }) => {
    const [name = ''] = at;
    const { stores } = device.state;
    const open = Object.fromEntries(
      Object.entries(body.values).filter(([key]) => !['key', 'sas', 'connection_string', 'keyring'].includes(key)),
    );
    const before = stores.find((one) => one.name === name);
    const store = {
      name,
      type: body.type,
      description: `${storeTypes.find((one) => one.key === body.type)?.label ?? ''}, ${Object.values(open).join(', ')}`,
      values: open,
      secrets: before?.secrets ?? ['key'],
      disks: before?.disks ?? [],
    };
    device.state.stores = [...stores.filter((one) => one.name !== name), store];
    return device.changed(`store "${name}" kept`);
  },
  'DELETE /stores/*': ({ device, at, query }) => {
    confirm(query.get('confirm'), at[0] ?? '');
    device.state.stores = device.state.stores.filter((one) => one.name !== at[0]);
    return device.changed(`store "${at[0] ?? ''}" forgotten`);
  },

  'GET /stores/*/images': ({ device, at }) => device.images(at[0] ?? ''),
  'POST /stores/*/images': ({ device, at, body }) =>
    device.start(
      'create_image',
      body.name,
      () => {
        const images = device.images(at[0] ?? '');
        if (images.some((one) => one.name === body.name)) {
          refuse(409, 'already_exists', `there is an image "${String(body.name)}" already`, { object: body.name });
        }
        const image = { name: body.name, size: body.size, format: body.format ?? 'raw', details: {} };
        images.push(image);
        return { type: 'image', ...image };
      },
      { total: body.size },
    ),
  'GET /stores/*/images/*': ({ device, at }) => device.image(at[0] ?? '', at[1] ?? ''),
  'PUT /stores/*/images/*/size': ({ device, at, body }) => {
    const image = device.image(at[0] ?? '', at[1] ?? '');
    if (body.size < image.size) {
      if (!body.shrink) refuse(422, 'invalid', 'shrinking was not asked for');
      confirm(body.confirm, image.name);
    }
    return device.start('resize_image', image.name, () => {
      image.size = body.size;
      for (const disk of device.state.disks) if (disk.name === image.disk) disk.size = body.size;
      device.emitAll();
      return { type: 'image', ...image };
    });
  },
  'GET /stores/*/images/*/snapshots': ({ device, at }) => device.scene.snapshots[at.join('/')] ?? [],
  'POST /stores/*/images/*/snapshots': ({ device, at, body }) =>
    device.start('take_snapshot', at[1], () => {
      const created = new Date().toISOString();
      const snapshot = { id: created, label: body.label ?? null, created };
      (device.scene.snapshots[at.join('/')] ??= []).push(snapshot);
      return { type: 'snapshot', ...snapshot };
    }),
  'POST /stores/*/images/*/snapshots/*/restore': ({ device, at, body }) => {
    confirm(body.confirm, at[1] ?? '');
    return device.start('restore_snapshot', at[1], () => ({ type: 'done' }), { cancel: false });
  },
  'DELETE /stores/*/images/*/snapshots/*': ({ device, at, query }) => {
    confirm(query.get('confirm'), at[1] ?? '');
    return device.start('delete_snapshot', at[1], () => {
      const key = at.slice(0, 2).join('/');
      device.scene.snapshots[key] = (device.scene.snapshots[key] ?? []).filter((one) => one.id !== at[2]);
      return { type: 'done' };
    });
  },

  'POST /disks': ({ device, body }) => {
    device.addDisk(body);
    return device.changed(`disk "${String(body.name)}" added`);
  },
  'PATCH /disks/*': ({ device, at, body }) => {
    Object.assign(device.disk(at[0] ?? ''), body);
    return device.changed(`disk "${at[0] ?? ''}" changed`);
  },
  'DELETE /disks/*': ({ device, at, query }) => {
    const { name } = device.disk(at[0] ?? '');
    confirm(query.get('confirm'), name);
    device.state.disks = device.state.disks.filter((one) => one.name !== name);
    device.setLuns(device.state.usb.luns.filter((lun) => lun.disk !== name));
    return device.changed(`disk "${name}" removed`);
  },
  'POST /disks/*/take-over': ({ device, at, body }) => {
    const disk = device.disk(at[0] ?? '');
    confirm(body.confirm, disk.name);
    Object.assign(disk, { phase: 'online', problem: null });
    device.emitAll();
  },

  'PATCH /usb/identity': ({ device, body }) => {
    Object.assign(device.state.usb.identity, body);
    return { ...device.changed('USB identity'), replugged: true };
  },
  'PUT /usb/luns': ({ device, body }) => {
    device.setLuns(body);
    return device.changed('slots');
  },
  'POST /usb/luns/*/insert': ({ device, at }) => put(device, Number(at[0]), 'inserted'),
  'POST /usb/luns/*/eject': ({ device, at }) => put(device, Number(at[0]), 'ejected'),

  'POST /network/wifi/scan': ({ device }) =>
    device.start('scan_wifi', undefined, () => ({
      type: 'wifi',
      networks: [
        { ssid: 'Attic', signal: 82, security: 'password' },
        { ssid: '<img src=x onerror="window.hacked=1">', signal: 60, security: 'open' },
        { ssid: 'Company', signal: 31, security: 'unsupported' },
      ],
    })),
  'POST /network/wifi/join': ({ device, body }) => device.start('join_wifi', body.ssid, () => ({ type: 'done' })),
  'DELETE /network/wifi/*': ({ device, at }) => {
    device.state.network.remembered = device.state.network.remembered.filter((ssid) => ssid !== at[0]);
    device.emitAll();
  },

  'POST /update/install': ({ device, body, query }) => update(device, String(body.text), query.get('allow_older')),
  'POST /update/fetch': ({ device, body }) => update(device, String(body.url), String(body.allow_older)),
  'POST /update/restart': ({ device }) => {
    const { updates } = device.state.device;
    if (updates?.last?.phase !== 'ready') return refuse(409, 'conflict', 'no update is ready');
    Object.assign(updates, { version: updates.last.version, slot: 'b' });
    updates.last.phase = 'confirmed';
    device.emitAll();
    return undefined;
  },

  'POST /tasks/*/cancel': ({ device, at }) => {
    device.cancel(Number(at[0]));
  },
  'DELETE /tasks/*': ({ device, at }) => {
    const id = Number(at[0]);
    device.state.tasks = device.state.tasks.filter((task) => task.id !== id);
    device.emit({ event: 'task_gone', data: { id } });
  },
};

/** Bundles whose text says what is wrong with them, or is the version. */
function update(device: DevDevice, text: string, older: string | null): unknown {
  return device.start(
    'install_update',
    undefined,
    () => {
      if (text.includes('forged')) refuse(422, 'untrusted', 'the signature of the bundle is wrong');
      if (text.includes('old') && older !== 'true') refuse(422, 'older_version', 'the bundle has version 0.2.9');
      const { updates } = device.state.device;
      if (updates) {
        const time = new Date().toISOString();
        updates.last = { version: '0.4.0', channel: 'release', phase: 'ready', time };
      }
      device.emitAll();
      return { type: 'done' };
    },
    { total: 40 << 20 },
  );
}

function put(device: DevDevice, lun: number, medium: 'inserted' | 'ejected'): void {
  const slot = device.state.usb.luns[lun] ?? refuse(404, 'not_found', `there is no slot ${lun}`);
  slot.medium = medium;
  device.emitAll();
}
