/** What goes over the wire. The names are those of the OpenAPI document (crates/web/src/api). */

export interface Problem {
  code: ProblemCode;
  detail: string;
  remedy?: string | null;
  object?: string | null;
  field?: string | null;
  retry_after?: number | null;
}
export type ProblemCode =
  | 'invalid'
  | 'sign_in_needed'
  | 'unclaimed'
  | 'already_claimed'
  | 'wrong_secret'
  | 'too_many'
  | 'forbidden'
  | 'not_found'
  | 'already_exists'
  | 'conflict'
  | 'in_use'
  | 'fenced'
  | 'denied'
  | 'unreachable'
  | 'no_space'
  | 'corrupt'
  | 'read_only'
  | 'unsupported'
  | 'not_confirmed'
  | 'too_large'
  | 'timeout'
  | 'cancelled'
  | 'not_applied'
  | 'internal';

export interface Hello {
  product: string;
  version: string;
  name: string;
  claimed: boolean;
  signed_in: boolean;
  button_pressed?: boolean;
}
export interface Session {
  csrf_token: string;
  expires: string;
}
export interface Token {
  id: string;
  name: string;
  created: string;
  used?: string | null;
  read_only: boolean;
}
export type TokenMade = Token & { secret: string };

export interface Device {
  name: string;
  version: string;
  board?: string | null;
  kernel: string;
  serial: string;
  started: string;
  clock: Clock;
  memory: { total: number; available: number; daemon: number };
  problems: Problem[];
}
export interface Clock {
  now: string;
  source: 'network' | 'unknown';
}
export type Verdict = 'good' | 'warning' | 'bad';
export interface Finding {
  check: string;
  verdict: Verdict;
  detail: string;
  remedy?: string | null;
}
export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error';
export interface LogLine {
  number: number;
  time: string;
  level: LogLevel;
  target: string;
  text: string;
}

export type DiskPhase = 'opening' | 'online' | 'offline' | 'fenced' | 'closed';
export interface Disk {
  name: string;
  store?: string | null;
  image: string;
  read_only: boolean;
  limits: Limits;
  phase: DiskPhase;
  since: string;
  problem?: Problem | null;
  size?: number | null;
  path: Link[];
  counters?: Counters | null;
}
export interface Link {
  kind: LinkKind;
  state: LinkState;
  detail?: string | null;
}
export type LinkKind = 'stick' | 'kernel_device' | 'nbd' | 'throttle' | 'store';
export type LinkState = 'good' | 'starting' | 'waiting' | 'broken';
export interface Counters {
  read: Operation;
  write: Operation;
  flush: Operation;
  in_flight: number;
}
export interface Operation {
  requests: number;
  errors: number;
  bytes: number;
  rate: number;
  median_ms: number;
  p99_ms: number;
}
export interface Limits {
  read_bytes: number;
  write_bytes: number;
  read_requests: number;
  write_requests: number;
}
export interface NewDisk {
  name: string;
  store: string;
  image: string;
  read_only?: boolean;
  insert?: boolean;
}
export interface DiskChange {
  read_only?: boolean;
  limits?: Limits;
  image?: string;
}

export interface Form {
  ways: Way[];
  common: Field[];
}
export interface Way {
  key: string;
  label: string;
  fields: Field[];
}
export interface Field {
  key: string;
  label: string;
  help?: string | null;
  kind: FieldKind;
  required: boolean;
  advanced: boolean;
  default?: string | null;
  example?: string | null;
}
export type FieldKind =
  | { type: 'text'; max_length: number }
  | { type: 'long_text'; max_length: number; accept: string[] }
  | { type: 'secret'; max_length: number }
  | { type: 'long_secret'; max_length: number; accept: string[] }
  | { type: 'number'; min: number; max: number; unit?: string | null }
  | { type: 'choice'; choices: Choice[] }
  | { type: 'toggle' };
export interface Choice {
  key: string;
  label: string;
}
export type FormValue = boolean | number | string;
export type FormValues = Record<string, FormValue>;

export interface Image {
  name: string;
  size: number;
  allocated?: number | null;
  format: string;
  owner?: string | null;
  modified?: string | null;
  disk?: string | null;
  details: Record<string, string>;
}
export interface NewImage {
  name: string;
  size: number;
  format?: string;
  filesystem?: Filesystem;
}
export type PartitionTable = 'mbr' | 'none';
export type Filesystem =
  | { type: 'none' }
  | { type: 'fat'; label: string; table: PartitionTable }
  | { type: 'exfat'; label: string; table: PartitionTable };
export interface Resize {
  size: number;
  shrink?: boolean;
  confirm?: string;
}
export interface Snapshot {
  id: string;
  label?: string | null;
  created?: string | null;
  size?: number | null;
}

export interface Network {
  mdns_name?: string | null;
  urls: string[];
  interfaces: Interface[];
  wifi: boolean;
  remembered: string[];
  problem?: Problem | null;
}
export type InterfaceKind = 'ethernet' | 'wifi' | 'other';
export interface Interface {
  name: string;
  kind: InterfaceKind;
  up: boolean;
  addresses: string[];
  mac?: string | null;
  ssid?: string | null;
}
export type WifiSecurity = 'open' | 'password' | 'unsupported';
export interface WifiNetwork {
  ssid: string;
  signal: number;
  security: WifiSecurity;
}
export interface Join {
  ssid: string;
  password?: string;
  hidden?: boolean;
}

export interface StoreType {
  key: string;
  label: string;
  about: string;
  form: Form;
  place_label?: string | null;
  formats: string[];
  snapshots: boolean;
  unavailable?: Problem | null;
}
export interface Store {
  name: string;
  type: string;
  description: string;
  values: Record<string, unknown>;
  secrets: string[];
  disks: string[];
}
export interface StoreSettings {
  type: string;
  way: string;
  values: FormValues;
}
export interface ProbeRequest {
  settings: StoreSettings;
  store?: string;
  image?: string;
}
export interface Probe {
  usable: boolean;
  findings: Finding[];
  places: Place[];
}
export interface Place {
  name: string;
}

export interface Applied {
  version: number;
  replugged: boolean;
  warnings: string[];
}
export interface Version {
  version: number;
  time: string;
  change: string;
  current: boolean;
}

export type TaskKind =
  | 'probe_store'
  | 'create_image'
  | 'resize_image'
  | 'delete_image'
  | 'take_snapshot'
  | 'restore_snapshot'
  | 'delete_snapshot'
  | 'scan_wifi'
  | 'join_wifi'
  | 'doctor'
  | 'apply';
export interface TaskBase {
  id: number;
  kind: TaskKind;
  object?: string | null;
  started: string;
  ended?: string | null;
  progress?: Progress | null;
  can_cancel: boolean;
}
export type TaskState =
  | { state: 'running' }
  | { state: 'succeeded'; result: TaskResult }
  | { state: 'failed'; problem: Problem }
  | { state: 'cancelled' };
export type Task = TaskBase & TaskState;
export type TaskResult =
  | { type: 'done' }
  | ({ type: 'probe' } & Probe)
  | ({ type: 'image' } & Image)
  | ({ type: 'snapshot' } & Snapshot)
  | { type: 'wifi'; networks: WifiNetwork[] }
  | { type: 'findings'; findings: Finding[] }
  | ({ type: 'applied' } & Applied);
export interface Progress {
  done: number;
  total: number;
  unit: 'bytes' | 'steps';
}
export interface TaskStarted {
  task: number;
}

export type UsbState = 'absent' | 'unplugged' | 'connecting' | 'connected' | 'suspended';
export type Speed = 'low' | 'full' | 'high' | 'super' | 'super_plus';
export interface Usb {
  controller?: string | null;
  state: UsbState;
  speed?: Speed | null;
  problem?: Problem | null;
  identity: Identity;
  luns: Lun[];
}
export interface Identity {
  vendor_id: number;
  product_id: number;
  manufacturer: string;
  product: string;
  serial: string;
  max_power_ma: number;
}
export interface LunSettings {
  disk?: string | null;
  read_only: boolean;
  cdrom: boolean;
  removable: boolean;
}
export type Medium = 'empty' | 'waiting' | 'inserted' | 'ejected_by_host' | 'ejected';
export type Lun = LunSettings & { medium: Medium; problem?: Problem | null };

export interface State {
  configuration: number;
  device: Device;
  usb: Usb;
  disks: Disk[];
  stores: Store[];
  network: Network;
  tasks: Task[];
}
export type Event =
  | { event: 'state'; data: State }
  | { event: 'device'; data: Device }
  | { event: 'usb'; data: Usb }
  | { event: 'disks'; data: Disk[] }
  | { event: 'stores'; data: Store[] }
  | { event: 'network'; data: Network }
  | { event: 'task'; data: Task }
  | { event: 'task_gone'; data: { id: number } }
  | { event: 'log'; data: LogLine };
