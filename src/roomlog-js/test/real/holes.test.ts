/** An event that gets lost in a room that is quiet afterwards: only the heartbeat tells of it. */

import { afterEach, expect, test } from "vitest";
import { WebSocket } from "ws";
import type { RoomlogClient } from "../../src/index.js";
import { ADA, BOB, eventually, logOf, newClient, newRoom } from "./server.js";

const HEARTBEAT_S = 1;
const LOST = "the last word";
const opened: RoomlogClient[] = [];
let lost = 0;

/** Swallows one event, and tells of a heartbeat of a second. */
class LosingSocket extends WebSocket {
  override emit(name: string | symbol, ...given: unknown[]): boolean {
    if (name !== "message") {
      return super.emit(name, ...given);
    }
    const text = String(given[0]).split("\n").map(changed).filter((line) => line !== null);
    return text.length === 0 || super.emit(name, Buffer.from(text.join("\n")), false);
  }
}

function changed(line: string): string | null {
  const frame = JSON.parse(line) as { type: string; event?: { content?: string } };
  if (frame.type === "hello") {
    return JSON.stringify({ ...frame, heartbeat_seconds: HEARTBEAT_S });
  }
  if (lost === 0 && frame.type === "event" && frame.event?.content === LOST) {
    lost = Date.now();
    return null;
  }
  return line;
}

afterEach(() => {
  for (const one of opened.splice(0)) {
    one.close();
  }
});

test("an event lost in a quiet room is there at the next heartbeat, in its place", async () => {
  const ada = newClient(ADA);
  const bob = newClient(BOB, { WebSocket: LosingSocket });
  opened.push(ada, bob);
  opened.forEach((one) => one.connect());
  const room_id = await newRoom(ada);
  const seen: number[] = [];
  const room = bob.room(room_id, { after: 0 });
  void (async () => {
    for await (const { sequence } of room) {
      seen.push(sequence);
    }
  })().catch(() => {});
  await eventually(() => bob.connection.getSnapshot().state === "live" && seen.length > 0);

  await ada.room(room_id).send("the first word");
  const { sequence } = await ada.room(room_id).send(LOST);
  await eventually(() => lost > 0);
  await eventually(() => seen.at(-1) === sequence);

  expect(Date.now() - lost).toBeLessThan(HEARTBEAT_S * 1000 + 10_000);
  expect(bob.connection.getSnapshot().state).toBe("live");
  expect(seen).toEqual((await logOf(ada, room_id)).map((one) => one.sequence));
});
