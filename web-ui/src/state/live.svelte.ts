/** The device as it is now, fed by its events. */
import { access } from '../api/calls.ts';
import { follow } from '../api/events.ts';
import type { Device, Disk, Event, LogLine, Network, Store, Task, Usb } from '../api/types.ts';
import { session } from './session.svelte.ts';

/** Lines of the log that are kept on the page. */
const lines = 1000;

class Live {
  /** Whether everything below is known. */
  known = $state(false);
  /** Whether events arrive. */
  connected = $state(false);
  configuration = $state(0);
  device = $state.raw<Device>();
  /** When that was heard, by the clock of this phone, in milliseconds. */
  deviceHeard = $state(0);
  usb = $state.raw<Usb>();
  disks = $state.raw<Disk[]>([]);
  stores = $state.raw<Store[]>([]);
  network = $state.raw<Network>();
  tasks = $state.raw<Task[]>([]);
  log = $state.raw<LogLine[]>([]);

  #stop: (() => void) | undefined;

  /** Begins to follow the device; `log` asks for the lines of its log as well. */
  start(log = false): void {
    this.#stop?.();
    this.#stop = follow(
      {
        event: (event) => {
          this.take(event);
        },
        broken: async () => {
          this.connected = false;
          await session.look();
          return session.door === 'open';
        },
        alive: () =>
          access.hello().then(
            () => true,
            () => false,
          ),
      },
      log,
    );
  }

  /** Follows no longer; what is known stays. */
  pause(): void {
    this.#stop?.();
    this.#stop = undefined;
  }

  /** Nobody is signed in any more. */
  forget(): void {
    this.pause();
    this.connected = false;
    this.known = false;
    this.log = [];
  }

  /** Applies one event. */
  take(event: Event): void {
    this.connected = true;
    switch (event.event) {
      case 'state':
        this.configuration = event.data.configuration;
        this.device = event.data.device;
        this.deviceHeard = Date.now();
        this.usb = event.data.usb;
        this.disks = event.data.disks;
        this.stores = event.data.stores;
        this.network = event.data.network;
        this.tasks = event.data.tasks;
        this.known = true;
        break;
      case 'configuration':
        this.configuration = event.data.version;
        break;
      case 'device':
        this.device = event.data;
        this.deviceHeard = Date.now();
        break;
      case 'usb':
        this.usb = event.data;
        break;
      case 'disks':
        this.disks = event.data;
        break;
      case 'stores':
        this.stores = event.data;
        break;
      case 'network':
        this.network = event.data;
        break;
      case 'task':
        this.tasks = [event.data, ...this.tasks.filter((task) => task.id !== event.data.id)].sort(
          (a, b) => b.id - a.id,
        );
        break;
      case 'task_gone':
        this.tasks = this.tasks.filter((task) => task.id !== event.data.id);
        break;
      case 'log':
        this.addLines([event.data]);
        break;
      // Kinds of events that are newer than this page are no concern of it.
    }
  }

  /** Puts lines into the log, each once, in the order of their numbers. */
  addLines(more: LogLine[]): void {
    const last = this.log.at(-1)?.number ?? -1;
    if (more.every((line) => line.number > last)) {
      this.log = [...this.log, ...more].slice(-lines);
      return;
    }
    // Number and time: numbers begin anew when the daemon does.
    const seen = new Map([...this.log, ...more].map((line) => [`${line.time} ${line.number}`, line]));
    this.log = [...seen.values()]
      .sort((a, b) => (a.time === b.time ? a.number - b.number : a.time < b.time ? -1 : 1))
      .slice(-lines);
  }

  disk(name: string): Disk | undefined {
    return this.disks.find((disk) => disk.name === name);
  }

  task(id: number | undefined): Task | undefined {
    return id === undefined ? undefined : this.tasks.find((task) => task.id === id);
  }
}

export const live = new Live();
