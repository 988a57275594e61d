/** Whether this browser may speak with the device, and whether the device answers. */
import { access } from '../api/calls.ts';
import { Failure, setCsrfToken, whenSignedOut } from '../api/client.ts';
import type { Hello, Session } from '../api/types.ts';

export type Door =
  /** Not yet known. */
  | 'unknown'
  /** The device does not answer. */
  | 'unreachable'
  /** It restarts, after a factory reset. */
  | 'restarting'
  /** It has no owner. */
  | 'unclaimed'
  /** It has one, who has to sign in. */
  | 'closed'
  /** Signed in. */
  | 'open';

class SessionState {
  door = $state<Door>('unknown');
  hello = $state<Hello>();
  /** Whether it was asked to restart, and has not answered yet. */
  #asked = false;
  /** Whether a device that restarts has gone yet. */
  #gone = false;

  /** Looks where we stand. Never throws. */
  async look(): Promise<void> {
    try {
      const hello = await access.hello();
      // What it says before it goes is not to be acted on.
      if (this.#asked || (this.door === 'restarting' && !this.#gone)) return;
      this.hello = hello;
      if (!hello.claimed) this.door = 'unclaimed';
      else if (!hello.signed_in) this.door = 'closed';
      else {
        this.enter(await access.session());
      }
    } catch (error) {
      if (error instanceof Failure && !error.lost) this.door = 'closed';
      else if (this.door === 'unknown') this.door = 'unreachable';
    }
  }

  /** Whether the device does not answer here any more. Where it answers over HTTPS only, the page is loaded from there. */
  async hasMoved(): Promise<boolean> {
    return access.hello().then(
      () => false,
      (error: unknown) => error instanceof Failure && error.lost,
    );
  }

  /** Has the device restart. Until it has gone and is back, nothing that it says counts. */
  async restart(ask: () => Promise<unknown>): Promise<void> {
    this.#asked = true;
    try {
      await ask();
      this.leave();
      this.#gone = false;
      this.door = 'restarting';
    } finally {
      this.#asked = false;
    }
  }

  /** Looks whether a device that restarts is back. Never throws. */
  async lookForRestart(): Promise<void> {
    if (await this.hasMoved()) this.#gone = true;
    else if (this.#gone) await this.look();
  }

  /** A session began, or has a new token. */
  enter(session: Session): void {
    setCsrfToken(session.csrf_token);
    this.door = 'open';
    if (this.hello) this.hello = { ...this.hello, claimed: true, signed_in: true };
  }

  /** The session ended. */
  leave(): void {
    setCsrfToken('');
    if (this.door === 'open' && !this.#asked) this.door = 'closed';
  }

  async signOut(): Promise<void> {
    await access.signOut();
    this.leave();
  }
}

export const session = new SessionState();
whenSignedOut(() => {
  session.leave();
});
