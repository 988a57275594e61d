/** Short messages about what was just done; read out by screen readers. */

export interface Notice {
  id: number;
  text: string;
}

/** Milliseconds a notice stays. */
const stay = 6000;

class Notices {
  list = $state<Notice[]>([]);
  #next = 1;

  say(text: string): void {
    const id = this.#next++;
    this.list.push({ id, text });
    setTimeout(() => {
      this.dismiss(id);
    }, stay);
  }

  dismiss(id: number): void {
    this.list = this.list.filter((notice) => notice.id !== id);
  }
}

export const notices = new Notices();
