/** Tests of a phone before a real device and a real cloud. */
import { Azurite } from './azurite.ts';
import { Cable } from './cable.ts';
import { Ceph, startLimit } from './ceph.ts';
import { Daemon } from './daemon.ts';
import { test as page } from '../support/test.ts';

interface Fixtures {
  /** Between the device and the cloud, where the cloud is asked for at its near end. To be named before the device, which ends
   * first then: it writes out what it has. */
  cable: Cable;
  /** A device as new; another one for each test. */
  real: Daemon;
}

interface Shared {
  cloud: Azurite;
  ceph: Ceph;
}

export const test = page.extend<Fixtures, Shared>({
  cloud: [
    // Fixtures name what they need; this one needs nothing.
    // eslint-disable-next-line no-empty-pattern
    async ({}, use) => {
      const azurite = await Azurite.start();
      await use(azurite);
      await azurite.stop();
    },
    { scope: 'worker' },
  ],
  ceph: [
    // eslint-disable-next-line no-empty-pattern
    async ({}, use) => {
      const ceph = await Ceph.start();
      await use(ceph);
      await ceph.stop();
    },
    { scope: 'worker', timeout: startLimit + 60_000 },
  ],
  cable: async ({ cloud }, use) => {
    const cable = await Cable.to(cloud.port);
    await use(cable);
    await cable.remove();
  },
  // eslint-disable-next-line no-empty-pattern
  real: async ({}, use, info) => {
    const daemon = await Daemon.start();
    await use(daemon);
    if (info.status !== info.expectedStatus) await info.attach('gadget-manager', { body: daemon.log });
    await daemon.stop();
  },
});

export { expect, expectAccessible, expectFits } from '../support/test.ts';
