import { connect, createServer, type Server, type Socket } from "node:net";

/** What is done to the bytes that pass. */
export type Fault = "none" | "stall" | "refuse" | "halve" | "delay";

const DELAY_MS = 40;

/**
 * A TCP proxy before the server that breaks connections as networks do: cuts them, lets them hang,
 * refuses new ones, passes half of what was written and cuts, passes everything late.
 */
export class Proxy {
  readonly #target: { host: string; port: number };
  readonly #server: Server;
  readonly #pairs = new Set<[Socket, Socket]>();
  /** Those that are read no further; others are paused for a moment, to keep bytes in order. */
  readonly #stalled = new Set<Socket>();
  #fault: Fault = "none";

  private constructor(target: string) {
    const { hostname, port } = new URL(target);
    this.#target = { host: hostname, port: Number(port) };
    this.#server = createServer((client) => this.#accept(client));
  }

  static async start(target: string): Promise<Proxy> {
    const proxy = new Proxy(target);
    await new Promise<void>((resolve) => proxy.#server.listen(0, "127.0.0.1", resolve));
    return proxy;
  }

  get url(): string {
    const address = this.#server.address();
    if (address === null || typeof address === "string") {
      throw new Error("the proxy does not listen");
    }
    return `http://127.0.0.1:${address.port}`;
  }

  /** From now on, until another fault is set. */
  set(fault: Fault): void {
    this.#fault = fault;
    if (fault !== "stall") {
      for (const socket of this.#stalled) {
        socket.resume();
      }
      this.#stalled.clear();
    }
  }

  /** Cut all connections, without a word. */
  cut(): void {
    for (const [client, server] of [...this.#pairs]) {
      client.resetAndDestroy();
      server.destroy();
    }
  }

  async stop(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #accept(client: Socket): void {
    if (this.#fault === "refuse") {
      client.resetAndDestroy();
      return;
    }
    const server = connect(this.#target);
    const pair: [Socket, Socket] = [client, server];
    this.#pairs.add(pair);
    const end = (): void => {
      this.#pairs.delete(pair);
      pair.forEach((socket) => this.#stalled.delete(socket));
      client.destroy();
      server.destroy();
    };
    for (const [from, to] of [pair, [server, client]] as [Socket, Socket][]) {
      from.setNoDelay(true);
      from.on("data", (chunk) => this.#pass(from, to, chunk, end));
      from.on("error", end);
      from.on("close", end);
    }
  }

  #pass(from: Socket, to: Socket, chunk: Buffer, end: () => void): void {
    switch (this.#fault) {
      case "stall":
        from.pause();
        from.unshift(chunk);
        this.#stalled.add(from);
        return;
      case "halve":
        to.write(chunk.subarray(0, Math.ceil(chunk.length / 2)), end);
        return;
      case "delay":
        from.pause();
        setTimeout(() => {
          to.write(chunk);
          from.resume();
        }, DELAY_MS);
        return;
      case "none":
      case "refuse":
        to.write(chunk);
    }
  }
}
