/** Where in the page we are: the part of the address after `#`, so that any server can serve the page. */

function parts(): string[] {
  return location.hash
    .replace(/^#\/?/, '')
    .split('/')
    .filter((part) => part !== '')
    .map((part) => {
      try {
        return decodeURIComponent(part);
      } catch {
        return part;
      }
    });
}

class Router {
  /** The place, such as `['disks', 'films']`. */
  path = $state.raw<string[]>(parts());

  constructor() {
    window.addEventListener('hashchange', () => {
      this.path = parts();
    });
  }

  /** Goes there, as a new entry of the history or in place of the present one. */
  go(path: string[], replace = false): void {
    const hash = href(...path);
    if (hash === location.hash) return;
    if (replace) {
      history.replaceState(null, '', hash);
      this.path = parts();
    } else {
      location.hash = hash;
    }
  }
}

/** The address of a place, for links. */
export function href(...path: string[]): string {
  return '#/' + path.map(encodeURIComponent).join('/');
}

export const router = new Router();
