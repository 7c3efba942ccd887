import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { ClientFrame, ServerFrame } from "../src/contract.gen.js";
import { Driver, type ToldEffect } from "../src/driver.js";
import type { StoredItem } from "../src/machine/types.js";
import type { QueueStore } from "../src/queue-store.js";
import type { WebSocketLike } from "../src/socket.js";
import { TokenSource } from "../src/token-source.js";

const ROOM = "0192f0c1-2b3c-7d4e-8f50-617283940001";

/** Sockets that this test opens, talks through and breaks. */
class Wire implements WebSocketLike {
  static all: Wire[] = [];
  readonly said: ClientFrame[] = [];
  readonly protocols: string[];
  closedWith: number | undefined;
  readonly #listeners = new Map<string, ((event: never) => void)[]>();

  constructor(_url: string, protocols: string[]) {
    this.protocols = protocols;
    Wire.all.push(this);
  }

  static get last(): Wire {
    return Wire.all.at(-1) as Wire;
  }

  addEventListener(type: string, listener: (event: never) => void): void {
    this.#listeners.set(type, [...(this.#listeners.get(type) ?? []), listener]);
  }

  send(text: string): void {
    this.said.push(JSON.parse(text) as ClientFrame);
  }

  close(code?: number): void {
    this.closedWith = code;
  }

  tell(...frames: ServerFrame[]): void {
    this.#emit("message", { data: frames.map((frame) => JSON.stringify(frame)).join("\n") });
  }

  emitText(data: unknown): void {
    this.#emit("message", { data });
  }

  end(code: number, reason = ""): void {
    this.#emit("close", { code, reason });
  }

  #emit(type: string, event: object): void {
    for (const listener of this.#listeners.get(type) ?? []) {
      listener(event as never);
    }
  }
}

const HELLO: ServerFrame = {
  ...{ type: "hello", connection_id: "c", user_id: "ada@example.org", server_time: "now" },
  ...{ heartbeat_seconds: 30, limits: {} },
};

function driver(
  queue: QueueStore | null = null,
  token = "t1",
): { driver: Driver; told: ToldEffect[] } {
  const told: ToldEffect[] = [];
  const made = new Driver({
    socketUrl: () => "ws://server/ws",
    WebSocket: Wire,
    tokens: new TokenSource(token),
    queue,
    config: { persistent: queue !== null },
    tell: (effect) => told.push(effect),
    waits: () => {},
  });
  return { driver: made, told };
}

async function connected(queue: QueueStore | null = null): Promise<{
  driver: Driver;
  told: ToldEffect[];
}> {
  const made = driver(queue);
  made.driver.give({ type: "connect" });
  await vi.waitFor(() => expect(Wire.all).toHaveLength(1));
  Wire.last.tell(HELLO);
  return made;
}

beforeEach(() => {
  Wire.all = [];
  vi.useFakeTimers();
});

afterEach(() => vi.useRealTimers());

test("the token goes into a subprotocol, and no further", async () => {
  await connected();

  expect(Wire.last.protocols).toEqual(["roomlog.v1", "roomlog.bearer.t1"]);
});

test("several objects in one frame are taken one after the other", async () => {
  const { told } = await connected();
  Wire.last.tell(
    { type: "notice", content: "one" },
    { type: "notice", content: "two" },
  );

  const contents = told.flatMap((one) =>
    one.type === "pass" && one.frame.type === "notice" ? [one.frame.content] : [],
  );
  expect(contents).toEqual(["one", "two"]);
});

test("what is no JSON, and no text, is passed over", async () => {
  const { driver: made } = await connected();
  Wire.last.emitText('{"type": "noti');
  Wire.last.emitText(new Uint8Array(3));

  expect(made.machine.state).toBe("live");
});

test("nothing of a socket counts that was given up, not even its end", async () => {
  const { driver: made, told } = await connected();
  const old = Wire.last;
  made.give({ type: "offline" });
  expect(old.closedWith).toBe(1000);
  made.give({ type: "online" });
  await vi.waitFor(() => expect(Wire.all).toHaveLength(2));

  old.tell(HELLO, { type: "notice", content: "from the grave" });
  old.end(4500);

  expect(made.machine.state).toBe("connecting");
  expect(told.some((one) => one.type === "pass")).toBe(false);
  Wire.last.tell(HELLO);
  expect(made.machine.state).toBe("live");
});

test("nothing is sent before it is kept, and what comes meanwhile waits its turn", async () => {
  const kept: StoredItem[] = [];
  let finish = (): void => {};
  const queue: QueueStore = {
    load: () => [],
    put: (item) =>
      new Promise((resolve) => {
        finish = () => {
          kept.push(item);
          resolve();
        };
      }),
    remove: () => {},
  };
  const { driver: made, told } = await connected(queue);
  const command = { type: "send", content: "hi" } as const;
  made.give({ type: "enqueue", room_id: ROOM, key: "k", command });
  Wire.last.tell({ type: "notice", content: "meanwhile" });
  await vi.advanceTimersByTimeAsync(10);

  expect(Wire.last.said).toEqual([]);
  expect(told.some((one) => one.type === "pass")).toBe(false);
  finish();
  await vi.advanceTimersByTimeAsync(0);
  expect(kept).toHaveLength(1);
  expect(Wire.last.said).toMatchObject([{ type: "send", content: "hi", idempotency_key: "k" }]);
  expect(told.some((one) => one.type === "pass")).toBe(true);
});

test("a queue that fails is reported, and the command goes all the same", async () => {
  const full = new Error("the storage is full");
  const queue: QueueStore = {
    load: () => [],
    put: () => {
      throw full;
    },
    remove: () => Promise.reject(full),
  };
  const { driver: made, told } = await connected(queue);
  const command = { type: "send", content: "hi" } as const;
  made.give({ type: "enqueue", room_id: ROOM, key: "k", command });

  expect(Wire.last.said).toMatchObject([{ type: "send" }]);
  expect(told).toContainEqual(expect.objectContaining({ type: "report", code: "internal" }));
});

test("a connection that answers its ping is kept", async () => {
  const { driver: made } = await connected();
  await vi.advanceTimersByTimeAsync(30_000);
  expect(Wire.last.said).toEqual([{ type: "ping" }]);

  Wire.last.tell({ type: "pong", heads: {} });
  await vi.advanceTimersByTimeAsync(10_000);

  expect(made.machine.state).toBe("live");
});

test("a token that is none closes the client, without asking the server", async () => {
  const { driver: made } = driver(null, "no token, but words");
  made.give({ type: "connect" });

  await vi.waitFor(() => expect(made.machine.state).toBe("closed"));
  expect(made.machine.reason).toMatchObject({ code: "unauthenticated" });
  expect(Wire.all).toEqual([]);
});

test("a connection that cannot be opened is tried again", async () => {
  const { driver: made } = driver();
  made.give({ type: "connect" });
  await vi.waitFor(() => expect(Wire.all).toHaveLength(1));
  Wire.last.end(1006);

  expect(made.machine.state).toBe("waiting");
  await vi.advanceTimersByTimeAsync(1000);
  expect(Wire.all).toHaveLength(2);
});
