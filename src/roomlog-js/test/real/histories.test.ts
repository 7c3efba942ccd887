/**
 * After any history of broken connections, the client's view is the fold of the log: nothing
 * missed, nothing twice, nothing sent twice, in order.
 */

import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { act, type Action, actions } from "./actions.js";
import { Person } from "./person.js";
import { Proxy } from "./proxy.js";
import { ADA, BOB, eventually, foldOf, logOf, newClient, newRoom, server } from "./server.js";
import { withPages } from "./pages.js";

const SECONDS_MAX = Number(process.env["ROOMLOG_TEST_SECONDS"] ?? 45);
const given = process.env["ROOMLOG_TEST_SEED"];
const seed = given === undefined ? Date.now() % 2 ** 31 : Number(given);
const reader = newClient(ADA);
let proxy: Proxy;
let tried = 0;

beforeAll(async () => {
  console.log(`ROOMLOG_TEST_SEED=${seed}`);
  proxy = await Proxy.start(server.url);
});

afterAll(async () => {
  reader.close();
  await proxy.stop();
});

test("after any history the view is the fold of the log", { timeout: 180_000 }, async () => {
  await fc.assert(fc.asyncProperty(actions, tryHistory), {
    seed,
    numRuns: 1000,
    interruptAfterTimeLimit: SECONDS_MAX * 1000,
    // A history takes seconds: the first that fails is told as it is.
    endOnFailure: true,
    verbose: 1,
  });
  console.log(`${tried} histories`);
  expect(tried).toBeGreaterThan(2);
});

async function tryHistory(history: readonly Action[]): Promise<void> {
  const room_id = await newRoom(reader);
  const people = [
    new Person(ADA, room_id, proxy.url),
    new Person(BOB, room_id, proxy.url),
  ];
  try {
    for (const action of history) {
      await act(action, people, proxy);
    }
    proxy.set("none");
    people.forEach((person) => person.setOnline(true));
    await compare(room_id, people);
    tried += 1;
  } finally {
    proxy.set("none");
    people.forEach((person) => person.close());
  }
}

async function compare(room_id: string, people: readonly Person[]): Promise<void> {
  for (const person of people) {
    await eventually(
      () => person.settled,
      () => `${person.user_id} does not settle: ${person.describe()}`,
    );
  }
  const log = await logOf(reader, room_id);
  const head = log.at(-1)?.sequence ?? 0;
  const fold = foldOf(log);
  const messages = await withPages((cursor) =>
    reader.rest.messages(room_id, { limit: 500, cursor, min_sequence: head }),
  );
  for (const person of people) {
    await eventually(
      () => person.store.live && person.store.position === head && person.seen.length >= log.length,
      () => `${person.user_id} does not get to ${head}: ${person.describe()}`,
    );
    // What the loop saw is the log, each event once and in order.
    expect(person.seen).toEqual(log);
    // What the store shows is what REST tells, which is what the fold says.
    await person.loadAll();
    expect(person.shown()).toEqual(messages.map(Person.comparable).reverse());
    for (const message of person.shown()) {
      const folded = fold.messages.get(message.message_id);
      expect(folded).toMatchObject({
        content: message.content,
        version: message.version,
        deleted_at: message.deleted_at,
      });
    }
    // What was sent is there once, in the order in which it was sent.
    const sent = log.flatMap(({ event }) =>
      event.type === "message.sent" && event.actor === person.user_id ? [event.content] : [],
    );
    expect(sent).toEqual(person.texts);
  }
}
