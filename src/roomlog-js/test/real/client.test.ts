/** The client's own doings against a real server: tokens, queues, memberships, whole REST. */

import { afterEach, expect, test } from "vitest";
import {
  MemoryQueue,
  type Room,
  type RoomlogClient,
  type RoomlogError,
  type State,
} from "../../src/index.js";
import { Proxy } from "./proxy.js";
import { ADA, BOB, CYD, eventually, newClient, newRoom, server, tokenOf } from "./server.js";

const opened: { close(): void }[] = [];

afterEach(() => {
  for (const one of opened.splice(0)) {
    one.close();
  }
});

function client(...given: Parameters<typeof newClient>): RoomlogClient {
  const made = newClient(...given);
  opened.push(made);
  made.connect();
  return made;
}

async function roomOf(ada: RoomlogClient): Promise<Room> {
  return ada.room(await newRoom(ada));
}

function states(of: RoomlogClient): State[] {
  const seen: State[] = [];
  of.connection.subscribe(() => seen.push(of.connection.getSnapshot().state));
  return seen;
}

async function until(of: RoomlogClient, state: State): Promise<void> {
  const now = (): string => JSON.stringify(of.connection.getSnapshot());
  await eventually(() => of.connection.getSnapshot().state === state, now);
}

test("a connection outlives its tokens, because new ones come in time", async () => {
  let fetched = 0;
  const ada = client(ADA, {
    token: () => {
      fetched += 1;
      return tokenOf(ADA, 8);
    },
  });
  await until(ada, "live");
  const seen = states(ada);

  await eventually(() => fetched >= 3);
  const room = await roomOf(ada);
  await room.send("still here");
  expect(seen.filter((state) => state !== "replaying" && state !== "live")).toEqual([]);
});

test("a refused token closes the client, and a good one opens it again", async () => {
  const ada = client(ADA);
  const room_id = await newRoom(ada);
  const late = client(ADA, { token: "not.a.token", queue: new MemoryQueue() });
  await until(late, "closed");
  expect(late.connection.getSnapshot().reason).toMatchObject({
    ...{ code: "unauthenticated", close_code: 4501 },
  });
  await expect(late.room(room_id).send("hi")).rejects.toMatchObject({ code: "unauthenticated" });

  late.setToken(tokenOf(ADA));
  await until(late, "live");
  await late.room(room_id).send("hi");
});

test("a token of another user's closes the client rather than speak in their name", async () => {
  let user = ADA;
  const proxy = await Proxy.start(server.url);
  const ada = client(ADA, { url: proxy.url, token: () => tokenOf(user) });
  await until(ada, "live");
  user = BOB;
  proxy.cut();

  await until(ada, "closed");
  expect(ada.connection.getSnapshot().reason?.code).toBe("user_changed");
  await proxy.stop();
});

test("what a client could not send, the next one with its queue sends first", async () => {
  const queue = new MemoryQueue();
  const ada = client(ADA);
  const room_id = await newRoom(ada);
  const proxy = await Proxy.start(server.url);
  proxy.set("refuse");
  const offline = client(ADA, { url: proxy.url, queue });
  const answers = ["one", "two"].map((text) => offline.room(room_id).send(text));
  offline.close();
  for (const answer of answers) {
    await expect(answer).rejects.toMatchObject({ code: "closed_by_user", kept: true });
  }

  const next = client(ADA, { queue });
  const settled: string[] = [];
  next.on("settled", ({ type, command }) => {
    settled.push(`${type} ${command?.type === "send" ? command.content : ""}`);
  });
  await next.room(room_id).send("three");
  const { items } = await next.room(room_id).history({ limit: 3 });
  expect(items.map((one) => one.content).reverse()).toEqual(["one", "two", "three"]);
  expect(settled).toEqual(["acked one", "acked two", "acked three"]);
  await eventually(() => queue.load().length === 0);
  await proxy.stop();
});

test("what nobody waits for any more is withdrawn, unless it may have been sent", async () => {
  const ada = client(ADA);
  const room_id = await newRoom(ada);
  const proxy = await Proxy.start(server.url);
  proxy.set("refuse");
  const offline = client(ADA, { url: proxy.url }).room(room_id);
  const abort = new AbortController();
  const answer = offline.send("never mind", { signal: abort.signal });
  abort.abort();
  await expect(answer).rejects.toMatchObject({ code: "withdrawn", maybeSent: false });
  await expect(offline.send("x", { signal: abort.signal })).rejects.toMatchObject({
    code: "withdrawn",
  });

  proxy.set("none");
  await offline.send("after all");
  const { items } = await ada.room(room_id).history({ limit: 2 });
  expect(items.map((one) => one.content)).not.toContain("never mind");
  await proxy.stop();
});

test("one key is one message, however often and by whomever of a user it is given", async () => {
  const ada = client(ADA);
  const room = await roomOf(ada);
  const [first, again] = await Promise.all([
    room.send("once", { key: "alert-7" }),
    room.send("once", { key: "alert-7" }),
  ]);
  const later = await client(ADA).room(room.id).send("once", { key: "alert-7" });

  expect(again).toEqual(first);
  expect(later).toMatchObject({ message_id: first.message_id, duplicate: true });
  await expect(room.send("twice", { key: "alert-7" })).rejects.toMatchObject({
    code: "idempotency_mismatch",
  });
});

test("what the server would not even read is refused here", async () => {
  const room = await roomOf(client(ADA));
  const { length } = "x".repeat(1_000_001);

  await expect(room.send("x".repeat(length))).rejects.toMatchObject({ code: "too_large" });
  await expect(room.send("x".repeat(20_000))).rejects.toMatchObject({ code: "too_large" });
  await expect(room.send("")).rejects.toMatchObject({
    ...{ code: "invalid", errors: [{ field: "content" }] },
  });
  await room.send("small");
});

test("who is put out of a room is told, and who is let in again sees it whole", async () => {
  const ada = await roomOf(client(ADA));
  const bob = client(BOB);
  const room = bob.room(ada.id, { after: 0 });
  const end = room.store.subscribe(() => {});
  const told: string[] = [];
  bob.on("notification", ({ kind }) => told.push(kind));
  await eventually(() => room.store.getSnapshot().live);
  const loop = (async () => {
    for await (const { event } of room) {
      void event;
    }
  })();

  const ended = expect(loop).rejects.toMatchObject({ code: "forbidden" });
  await ada.removeMember(BOB);
  await ended;
  await eventually(() => room.store.getSnapshot().status === "ended");
  await ada.send("while he was away");
  await ada.setMember(BOB, "observer");
  await eventually(() => {
    const { status, role, live, messages } = room.store.getSnapshot();
    const contents = messages.map((one) => one.content);
    return status === "ready" && live && role === "observer" && contents.length === 4;
  });
  expect(told).toEqual(["removed", "added"]);
  await expect(room.send("may I?")).rejects.toMatchObject({ code: "forbidden" });
  end();
});

test("a room is followed once, and left before it is followed from elsewhere", async () => {
  const ada = client(ADA);
  const { id } = await roomOf(ada);
  const room = ada.room(id, { after: 0 });
  expect(ada.room(id.toUpperCase())).toBe(room);
  expect(() => ada.room(id, { after: 0 })).toThrow("already_followed");

  room.leave();
  const { sequence } = await room.send("one");
  ada.room(id, { after: sequence - 1 });
  for await (const event of room) {
    expect(event.sequence).toBe(sequence);
    break;
  }
  expect([room.position, typeof room.epoch]).toEqual([sequence, "string"]);
});

test("a place in another log is told as a reset", async () => {
  const ada = client(ADA);
  const { id } = await roomOf(ada);
  const resets: number[] = [];
  const room = ada.room(id, {
    ...{ after: 1, epoch: "of another log" },
    onReset: ({ position }) => void resets.push(position),
  });
  const loop = (async () => {
    for await (const { event } of room) {
      return event.type;
    }
    return null;
  })();
  await eventually(() => ada.connection.getSnapshot().state === "live");
  const { sequence } = await room.send("new");

  expect(await loop).toBe("message.sent");
  expect(resets).toHaveLength(1);
  expect(resets[0]).toBeLessThan(sequence);
});

test("every path of REST is asked as the server expects it", async () => {
  const ada = client(ADA);
  const { rest } = ada;
  const service = client(CYD, { token: tokenOf(CYD, 3600, { roles: ["service"] }) });
  const named = { name: "payments", title: "slow", severity: "high" };
  const { room_id } = await ada.createRoom({ ...named, members: [] });
  expect((await ada.rooms()).map((one) => one.room_id)).toContain(room_id);
  expect(await rest.setMember(room_id, BOB, "observer")).toMatchObject({ role: "observer" });
  expect((await rest.members(room_id)).items.map((one) => one.user_id)).toEqual([ADA, BOB]);
  expect((await rest.updateRoom(room_id, { status: "mitigated" })).status).toBe("mitigated");

  const sent = await rest.sendMessage(room_id, { content: "p99 is at 4 s" });
  const { message_id, version } = sent;
  const edit = { content: "p99 is at 5 s", reason: "read it wrong" };
  const edited = await rest.editMessage(message_id, edit, { expected_version: version });
  await expect(
    rest.editMessage(message_id, edit, { expected_version: version }),
  ).rejects.toMatchObject({ code: "version_mismatch", status: 412 });
  expect((await rest.message(room_id, message_id)).version).toBe(edited.version);
  expect((await rest.message(room_id, message_id, { as_of: version })).content).toBe(sent.content);
  expect((await rest.messages(room_id, { as_of: version, limit: 1 })).items).toMatchObject([
    { message_id, content: sent.content },
  ]);
  expect((await rest.versions(room_id, message_id)).items).toHaveLength(2);
  expect((await rest.search(room_id, "p99", { sender: ADA })).items[0]?.highlight).toContain(
    "<mark>p99</mark>",
  );
  expect(await rest.addReaction(message_id, "👍")).toMatchObject([{ emoji: "👍", users: [ADA] }]);
  expect(await rest.reactions(message_id)).toHaveLength(1);
  expect(await rest.removeReaction(message_id, "👍")).toEqual([]);
  expect((await rest.deleteMessage(message_id, { reason: "wrong room" })).content).toBe("");

  await rest.removeMember(room_id, BOB);
  const then = { as_of: version };
  expect((await rest.members(room_id)).items.map((one) => one.user_id)).toEqual([ADA]);
  expect((await rest.members(room_id, then)).items.map((one) => one.user_id)).toEqual([ADA, BOB]);
  const { status } = await rest.room(room_id, { as_of: version - 1 });
  await rest.updateRoom(room_id, { status: "resolved" });
  expect([status, (await rest.room(room_id)).status]).toEqual(["mitigated", "resolved"]);
  expect((await rest.search(room_id, "p99")).items).toEqual([]);
  expect((await rest.search(room_id, "4", then)).items).toMatchObject([{ message: { version } }]);
  expect((await rest.search(room_id, "5", then)).items).toEqual([]);

  await rest.markRead(room_id, edited.version);
  expect(await rest.stats(room_id)).toMatchObject({ edits: 1, deletions: 1 });
  expect((await rest.events(room_id, { after: version, limit: 1 })).items).toMatchObject([
    { event: { type: "message.edited", reason: "read it wrong" } },
  ]);
  expect(await rest.online(room_id)).toEqual([]);
  expect(await rest.typing(room_id)).toEqual([]);

  const heard = new Promise((resolve) => ada.on("notice", resolve));
  await until(ada, "live");
  expect(await service.rest.broadcast("maintenance at noon")).toHaveProperty("notice_id");
  expect(await heard).toEqual({ type: "notice", content: "maintenance at noon" });
  const gone = rest.room("0192f0c1-2b3c-7d4e-8f50-617283940001").catch((e: RoomlogError) => e.code);
  expect(await gone).toBe("not_found");
});
