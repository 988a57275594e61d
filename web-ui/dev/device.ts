/** A device in memory that answers as the daemon does, for work on the page. Nothing of it is in a build. */
import type {
  Disk,
  Event,
  Finding,
  Image,
  LogLine,
  LunSettings,
  Problem,
  ProblemCode,
  SignedInBrowser,
  State,
  Task,
  TaskKind,
  TaskResult,
  Token,
  Version,
} from '../src/api/types.ts';
import { scenes, type Scene, type SceneName } from './scenes.ts';

export class Refusal extends Error {
  constructor(
    readonly status: number,
    readonly problem: Problem,
  ) {
    super(problem.detail);
  }
}

export function refuse(status: number, code: ProblemCode, detail: string, more: Partial<Problem> = {}): never {
  throw new Refusal(status, { code, detail, ...more });
}

export const claimCode = 'APPLE-TREE-42';

export class DevDevice {
  readonly scene: Scene;
  readonly listeners = new Set<(event: Event) => void>();
  readonly csrf = Math.random().toString(36).slice(2);
  password = 'correct horse';
  signedIn: boolean;
  buttonPressed = false;
  /** Whether the network is cut. */
  cut = false;
  /** Whether tasks stop halfway until they are let go. */
  slow = false;
  sessions: SignedInBrowser[] = [
    ['Chrome', 'Android', '192.168.1.23', 2],
    ['Safari', 'iOS', 'fd00::1c5d:4b6a:8f7e:2', 190],
    [undefined, undefined, '192.168.1.40', 30],
  ].map(([browser, system, address, hours], index) => ({
    id: `s${index}`,
    ...(browser === undefined ? {} : { browser, system }),
    address,
    since: new Date(Date.now() - Number(hours) * 3_600_000).toISOString(),
    used: new Date(Date.now() - index * 3_600_000).toISOString(),
    encrypted: index < 2,
    current: index === 0,
  })) as SignedInBrowser[];
  tokens: (Token & { secret?: string })[] = [];
  versions: Version[];
  log: LogLine[] = [];
  #task = 1;
  #asked?: () => void;
  #ticker: ReturnType<typeof setInterval>;

  constructor(name: SceneName) {
    this.scene = scenes[name]();
    this.signedIn = this.scene.claimed;
    this.#task = Math.max(0, ...this.state.tasks.map((task) => task.id)) + 1;
    this.versions = [{ version: 1, time: '2026-11-01T10:00:00Z', change: 'first configuration', current: true }];
    if (name !== 'unclaimed') this.changed('store "azure" added');
    for (const text of ['configuration loaded', 'gadget bound to musb-hdrc.2.auto', 'disk "films" is online'])
      this.say(text);
    this.say('the clock is not kept in step by anybody', 'warn');
    this.#ticker = setInterval(() => {
      this.tick();
    }, 1000);
    this.#ticker.unref();
  }

  get state(): State {
    return this.scene.state;
  }

  /** Settles when the page has asked who the device is. */
  asked(): Promise<void> {
    return new Promise((settle) => (this.#asked = settle));
  }

  wasAsked(): void {
    this.#asked?.();
  }

  stop(): void {
    clearInterval(this.#ticker);
  }

  emit(event: Event): void {
    for (const listener of this.listeners) listener(event);
  }

  emitAll(): void {
    this.emit({ event: 'state', data: this.state });
  }

  say(text: string, level: LogLine['level'] = 'info'): void {
    const line: LogLine = {
      number: this.log.length,
      time: new Date().toISOString(),
      level,
      target: 'gadget_manager::daemon',
      text,
    };
    this.log.push(line);
    this.emit({ event: 'log', data: line });
  }

  /** A configuration came into force. */
  changed(change: string): { version: number; replugged: boolean; warnings: string[] } {
    const version = this.state.configuration + 1;
    this.state.configuration = version;
    this.versions = [
      { version, time: new Date().toISOString(), change, current: true },
      ...this.versions.map((one) => ({ ...one, current: false })),
    ];
    this.say(`configuration ${version}: ${change}`);
    this.emitAll();
    return { version, replugged: false, warnings: [] };
  }

  /** Data go through what is connected. */
  tick(): void {
    this.state.device.clock.now = new Date().toISOString();
    for (const disk of this.state.disks) {
      const read = disk.counters?.read;
      if (read && read.rate > 0) {
        read.rate = 3.4e6 + Math.random() * 1.6e6;
        read.bytes += read.rate;
        read.requests += 32;
      }
    }
    this.emit({ event: 'device', data: this.state.device });
    this.emit({ event: 'disks', data: this.state.disks });
  }

  start(
    kind: TaskKind,
    object: string | undefined,
    finish: () => TaskResult,
    options: { total?: number; cancel?: boolean } = {},
  ): { task: number } {
    const id = this.#task++;
    const total = options.total ?? 4;
    const unit = total > 100 ? 'bytes' : 'steps';
    const base = {
      id,
      kind,
      object: object ?? null,
      started: new Date().toISOString(),
      can_cancel: options.cancel ?? true,
    };
    const put = (task: Task): void => {
      this.state.tasks = [task, ...this.state.tasks.filter((one) => one.id !== id)];
      this.emit({ event: 'task', data: task });
    };
    let step = 0;
    put({ ...base, state: 'running', progress: { done: 0, total, unit } });
    const timer = setInterval(() => {
      const now = this.state.tasks.find((task) => task.id === id);
      if (now?.state !== 'running') {
        clearInterval(timer);
        return;
      }
      if (this.slow && step === 2) return;
      step += 1;
      if (step < 4) {
        put({ ...base, state: 'running', progress: { done: (total * step) / 4, total, unit } });
        return;
      }
      clearInterval(timer);
      const ended = { ...base, ended: new Date().toISOString(), can_cancel: false };
      try {
        put({ ...ended, state: 'succeeded', result: finish() });
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        put({ ...ended, state: 'failed', problem: error.problem });
      }
    }, 60);
    timer.unref();
    return { task: id };
  }

  cancel(id: number): void {
    const task = this.state.tasks.find((one) => one.id === id);
    if (task?.state !== 'running') return;
    const cancelled: Task = { ...task, can_cancel: false, ended: new Date().toISOString(), state: 'cancelled' };
    this.state.tasks = this.state.tasks.map((one) => (one.id === id ? cancelled : one));
    this.emit({ event: 'task', data: cancelled });
  }

  images(store: string): Image[] {
    return (this.scene.images[store] ??= []);
  }

  image(store: string, name: string): Image {
    return (
      this.images(store).find((one) => one.name === name) ?? refuse(404, 'not_found', `there is no image "${name}"`)
    );
  }

  disk(name: string): Disk {
    return this.state.disks.find((one) => one.name === name) ?? refuse(404, 'not_found', `there is no disk "${name}"`);
  }

  setLuns(luns: LunSettings[]): void {
    const before = this.state.usb.luns;
    this.state.usb.luns = luns.map((lun) => ({
      ...lun,
      medium: lun.disk ? (before.find((one) => one.disk === lun.disk)?.medium ?? 'inserted') : 'empty',
    }));
  }

  addDisk(wanted: { name: string; store: string; image: string; read_only?: boolean; insert?: boolean }): void {
    if (this.state.disks.some((one) => one.name === wanted.name)) {
      refuse(409, 'already_exists', `there is a disk "${wanted.name}" already`, { field: '/name' });
    }
    const [name = ''] = wanted.image.split('@');
    const image = this.image(wanted.store, name);
    if (!wanted.image.includes('@')) image.disk = wanted.name;
    this.state.disks.push({
      name: wanted.name,
      store: wanted.store,
      image: wanted.image,
      read_only: wanted.read_only ?? false,
      limits: { read_bytes: 0, write_bytes: 0, read_requests: 0, write_requests: 0 },
      phase: 'online',
      since: new Date().toISOString(),
      size: image.size,
      path: [
        { kind: 'stick', state: 'good' },
        { kind: 'kernel_device', state: 'good', detail: '/dev/ublkb0' },
        { kind: 'store', state: 'good', detail: wanted.store },
      ],
    });
    this.state.stores.find((one) => one.name === wanted.store)?.disks.push(wanted.name);
    if (!wanted.insert) return;
    const slot = this.state.usb.luns.find((lun) => !lun.disk);
    if (slot) Object.assign(slot, { disk: wanted.name, medium: 'inserted' });
    else
      this.state.usb.luns.push({
        disk: wanted.name,
        read_only: false,
        cdrom: false,
        removable: true,
        medium: 'inserted',
      });
  }

  findings(): Finding[] {
    return [
      { check: 'kernel', verdict: 'good', detail: 'ublk, libcomposite and usb_f_mass_storage are there' },
      { check: 'USB controller', verdict: 'good', detail: 'musb-hdrc.2.auto' },
      {
        check: 'clock',
        verdict: 'warning',
        detail: 'nobody keeps the clock in step',
        remedy: 'allow NTP (UDP port 123) out of this network',
      },
      { check: 'store "azure"', verdict: 'good', detail: 'answers in 23 ms, all rights are there' },
    ];
  }
}
