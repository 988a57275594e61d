/** What a form holds, kept over a reload of the page in this tab. Secrets never go in here. */

const prefix = 'cloud-stick.';

export function read<T>(key: string, fallback: T): T {
  try {
    const text = sessionStorage.getItem(prefix + key);
    return text === null ? fallback : (JSON.parse(text) as T);
  } catch {
    return fallback;
  }
}

export function write(key: string, value: unknown): void {
  try {
    if (value === undefined) sessionStorage.removeItem(prefix + key);
    else sessionStorage.setItem(prefix + key, JSON.stringify(value));
  } catch {
    // A browser that keeps nothing costs a reload its comfort, no more.
  }
}

/** A value that is kept whenever it changes. To be made while a component is set up. */
export function kept<T>(key: string, initial: T): { value: T } {
  const box = $state({ value: read(key, initial) });
  $effect(() => {
    write(key, $state.snapshot(box.value));
  });
  return box;
}
