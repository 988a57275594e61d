/** The stream of live events: opened again whenever it breaks. */
import { base } from './client.ts';
import type { Event as DeviceEvent } from './types.ts';

/** Milliseconds to wait before the first, second, … attempt to come back. */
const delays = [250, 500, 1000, 2000, 4000, 8000];

/** Milliseconds without any event after which the device is asked whether it is still there: a phone that changed its
 * network is not told that its connection is dead. */
const silence = 15_000;

export interface Listener {
  event(event: DeviceEvent): void;
  /** The stream broke. It is tried again if this resolves to true. */
  broken(): Promise<boolean>;
  /** Whether the device answers at all. */
  alive(): Promise<boolean>;
}

const names: DeviceEvent['event'][] = [
  'state',
  'configuration',
  'device',
  'usb',
  'disks',
  'stores',
  'network',
  'task',
  'task_gone',
  'log',
];

/** Follows the device until the returned function is called. */
export function follow(listener: Listener, log = false): () => void {
  let source: EventSource | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let attempt = 0;
  let stopped = false;
  let heard = Date.now();

  const take = (message: MessageEvent<string>): void => {
    attempt = 0;
    heard = Date.now();
    listener.event(JSON.parse(message.data) as DeviceEvent);
  };

  const open = (): void => {
    clearTimeout(timer);
    timer = undefined;
    source?.close();
    source = new EventSource(base + '/events' + (log ? '?log=1' : ''));
    for (const name of names) source.addEventListener(name, take);
    source.onerror = () => {
      source?.close();
      source = undefined;
      void comeBack();
    };
  };

  const comeBack = async (): Promise<void> => {
    if (!(await listener.broken()) || stopped) return;
    const delay = delays[Math.min(attempt, delays.length - 1)];
    attempt += 1;
    timer = setTimeout(open, delay);
  };

  /** A phone that wakes up, or finds its network again, does not wait for the timer. */
  const now = (): void => {
    if (document.visibilityState === 'visible' && timer !== undefined) open();
  };

  const watch = setInterval(() => {
    if (source === undefined || document.visibilityState === 'hidden' || Date.now() - heard < silence) return;
    heard = Date.now();
    void listener.alive().then((alive) => {
      if (!alive && !stopped) source?.onerror?.(new Event('error'));
    });
  }, silence / 3);

  document.addEventListener('visibilitychange', now);
  window.addEventListener('online', now);
  open();
  return () => {
    stopped = true;
    clearTimeout(timer);
    clearInterval(watch);
    source?.close();
    document.removeEventListener('visibilitychange', now);
    window.removeEventListener('online', now);
  };
}
