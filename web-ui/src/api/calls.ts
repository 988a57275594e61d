/** The operations of the API, one function each. */
import { ask, send, Upload } from './client.ts';
import type {
  Applied,
  DiskChange,
  Hello,
  Identity,
  Image,
  Join,
  LogLine,
  LunSettings,
  NewDisk,
  NewImage,
  Place,
  ProbeRequest,
  Resize,
  Session,
  SignedInBrowser,
  Snapshot,
  StoreSettings,
  StoreType,
  TaskStarted,
  Token,
  TokenMade,
  Version,
} from './types.ts';

const at = (...parts: string[]): string => parts.map((part) => '/' + encodeURIComponent(part)).join('');
const confirmed = (confirm: string): string => '?' + new URLSearchParams({ confirm }).toString();
const image = (store: string, name: string): string => `/stores${at(store)}/images${at(name)}`;

export const access = {
  hello: () => ask<Hello>('GET', '/hello'),
  claim: (password: string, code?: string) =>
    ask<Session>('POST', '/claim', code === undefined ? { password } : { password, code }),
  signIn: (password: string) => ask<Session>('POST', '/session', { password }),
  session: () => ask<Session>('GET', '/session'),
  signOut: () => send('DELETE', '/session'),
  changePassword: (current: string, next: string) => ask<Session>('PUT', '/password', { current, new: next }),
  sessions: () => ask<SignedInBrowser[]>('GET', '/sessions'),
  endSession: (id: string) => send('DELETE', `/sessions${at(id)}`),
  endOtherSessions: () => send('DELETE', '/sessions'),
  tokens: () => ask<Token[]>('GET', '/tokens'),
  makeToken: (name: string, readOnly: boolean) => ask<TokenMade>('POST', '/tokens', { name, read_only: readOnly }),
  revokeToken: (id: string) => send('DELETE', `/tokens${at(id)}`),
};

export const device = {
  rename: (name: string) => ask<Applied>('PUT', '/device/name', { name }),
  doctor: () => ask<TaskStarted>('POST', '/doctor'),
  log: () => ask<LogLine[]>('GET', '/log'),
  logFile: () => send('GET', '/log/file'),
  factoryReset: (confirm: string) => send('POST', '/device/factory-reset', { confirm }),
};

export const configuration = {
  versions: () => ask<Version[]>('GET', '/configuration/versions'),
  goBack: (version: number) => ask<TaskStarted>('POST', `/configuration/versions/${version}/apply`),
  backUp: (passphrase?: string) => send('POST', '/configuration/backup', passphrase ? { passphrase } : {}),
  restore: (data: string, passphrase?: string) =>
    ask<TaskStarted>('POST', '/configuration/restore', passphrase ? { data, passphrase } : { data }),
};

export const stores = {
  types: () => ask<StoreType[]>('GET', '/store-types'),
  probe: (request: ProbeRequest) => ask<TaskStarted>('POST', '/store-probes', request),
  makePlace: (settings: StoreSettings, name: string) => ask<Place>('POST', '/store-places', { settings, name }),
  keep: (name: string, settings: StoreSettings) => ask<Applied>('PUT', `/stores${at(name)}`, settings),
  forget: (name: string, confirm: string) => ask<Applied>('DELETE', `/stores${at(name)}${confirmed(confirm)}`),
};

export const images = {
  list: (store: string) => ask<Image[]>('GET', `/stores${at(store)}/images`),
  get: (store: string, name: string) => ask<Image>('GET', image(store, name)),
  create: (store: string, wanted: NewImage) => ask<TaskStarted>('POST', `/stores${at(store)}/images`, wanted),
  resize: (store: string, name: string, size: Resize) => ask<TaskStarted>('PUT', `${image(store, name)}/size`, size),
  remove: (store: string, name: string, confirm: string) =>
    ask<TaskStarted>('DELETE', image(store, name) + confirmed(confirm)),
};

export const snapshots = {
  list: (store: string, name: string) => ask<Snapshot[]>('GET', `${image(store, name)}/snapshots`),
  take: (store: string, name: string, label?: string) =>
    ask<TaskStarted>('POST', `${image(store, name)}/snapshots`, label ? { label } : {}),
  restore: (store: string, name: string, id: string, confirm: string) =>
    ask<TaskStarted>('POST', `${image(store, name)}/snapshots${at(id)}/restore`, { confirm }),
  remove: (store: string, name: string, id: string, confirm: string) =>
    ask<TaskStarted>('DELETE', `${image(store, name)}/snapshots${at(id)}${confirmed(confirm)}`),
};

export const disks = {
  add: (disk: NewDisk) => ask<Applied>('POST', '/disks', disk),
  change: (name: string, change: Partial<DiskChange>) => ask<Applied>('PATCH', `/disks${at(name)}`, change),
  remove: (name: string, confirm: string) => ask<Applied>('DELETE', `/disks${at(name)}${confirmed(confirm)}`),
  takeOver: (name: string, confirm: string) => send('POST', `/disks${at(name)}/take-over`, { confirm }),
};

export const usb = {
  setIdentity: (change: Partial<Identity>) => ask<Applied>('PATCH', '/usb/identity', change),
  setLuns: (luns: LunSettings[]) => ask<Applied>('PUT', '/usb/luns', luns),
  insert: (lun: number) => send('POST', `/usb/luns/${lun}/insert`),
  eject: (lun: number, force: boolean) => send('POST', `/usb/luns/${lun}/eject`, { force }),
};

export const network = {
  scan: () => ask<TaskStarted>('POST', '/network/wifi/scan'),
  join: (join: Join) => ask<TaskStarted>('POST', '/network/wifi/join', join),
  forget: (ssid: string) => send('DELETE', `/network/wifi${at(ssid)}`),
};

export const updates = {
  install: (bundle: Blob, older: boolean) =>
    ask<TaskStarted>('POST', `/update/install?allow_older=${older}`, new Upload(bundle)),
  fetch: (url: string, older: boolean) => ask<TaskStarted>('POST', '/update/fetch', { url, allow_older: older }),
  restart: () => send('POST', '/update/restart'),
};

export const tasks = {
  cancel: (id: number) => send('POST', `/tasks/${id}/cancel`),
  dismiss: (id: number) => send('DELETE', `/tasks/${id}`),
};
