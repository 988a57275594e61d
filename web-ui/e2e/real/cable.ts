/** A cable between a client and a server that can be pulled: connections end at once, new ones are not answered. */
import { connect, createServer, type Server, type Socket } from 'node:net';

/** Where the near end is. */
export const near = '127.0.0.2';

export class Cable {
  #server: Server;
  #sockets = new Set<Socket>();
  #pulled = false;

  private constructor(server: Server) {
    this.#server = server;
  }

  /** From a port of 127.0.0.2 to the same port of 127.0.0.1: addresses that hold the port stay true. */
  static async to(port: number): Promise<Cable> {
    const server = createServer();
    const cable = new Cable(server);
    server.on('connection', (client) => {
      cable.#hold(client);
      if (cable.#pulled) return;
      const upstream = connect(port, '127.0.0.1');
      cable.#hold(upstream);
      client.pipe(upstream).pipe(client);
      client.on('close', () => upstream.destroy());
      upstream.on('close', () => client.destroy());
    });
    await new Promise<void>((resolve, reject) => {
      server.on('error', reject).listen(port, near, resolve);
    });
    return cable;
  }

  #hold(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.#sockets.delete(socket));
  }

  pull(): void {
    this.#pulled = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  plug(): void {
    this.#pulled = false;
    // Whoever waits on the dead cable tries again.
    for (const socket of this.#sockets) socket.destroy();
  }

  async remove(): Promise<void> {
    this.pull();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
