import { expect, test } from "vitest";
import type { RoomEvent, RoomPage } from "../src/contract.gen.js";
import { RoomlogError } from "../src/errors.js";
import { Reader, type ReaderRoom, type Reset } from "../src/reader.js";

function event(sequence: number): RoomEvent {
  const said = { type: "message.deleted", actor: "ada", message_id: "m" } as const;
  const place = { sequence, prev_sequence: sequence - 1, room_id: "r", at: "now" };
  return { ...place, event: { ...said, id: `e${sequence}` } };
}

/** A room whose log is the numbers up to its head. */
class Log implements ReaderRoom {
  head = 0;
  paused = false;
  reads = 0;
  pauses: boolean;
  reader: Reader | null = null;

  constructor(pauses: boolean) {
    this.pauses = pauses;
  }

  pause(): boolean {
    this.paused = this.pauses;
    return this.pauses;
  }

  unpause(): void {
    this.paused = false;
  }

  position(): number {
    return this.head;
  }

  async events(after: number, min_sequence: number): Promise<RoomPage<RoomEvent>> {
    this.reads += 1;
    const head = Math.max(this.head, min_sequence);
    const all = Array.from({ length: head - after }, (_, n) => event(after + 1 + n));
    // Others go on writing while a page is on its way.
    await Promise.resolve();
    this.append(1);
    const items = all.slice(0, 500);
    return { items, next: items.length < all.length ? "more" : null, head, epoch: "e" };
  }

  append(count: number): void {
    for (let n = 0; n < count && !this.paused; n += 1) {
      this.head += 1;
      this.reader?.push(event(this.head));
    }
  }

  read(after: number | null, onReset: ((reset: Reset) => void) | null = null): Reader {
    this.reader = new Reader(this, after, onReset);
    return this.reader;
  }
}

async function take(reader: Reader, count: number): Promise<number[]> {
  const taken: number[] = [];
  for await (const { sequence } of reader) {
    taken.push(sequence);
    if (taken.length === count) {
      break;
    }
  }
  return taken;
}

function upTo(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, n) => first + n);
}

test("a loop gets each event once, in order, and goes on where one before it stopped", async () => {
  const log = new Log(true);
  const reader = log.read(0);
  log.append(5);

  expect(await take(reader, 2)).toEqual([1, 2]);
  expect(reader.position).toBe(2);
  const later = take(reader, 4);
  log.append(1);
  expect(await later).toEqual([3, 4, 5, 6]);
});

test("a slow loop pauses the room, and what follows comes when it has caught up", async () => {
  const log = new Log(true);
  const reader = log.read(0);
  log.append(5000);

  expect(log.paused).toBe(true);
  expect(log.head).toBe(1000);
  expect(await take(reader, 900)).toEqual(upTo(1, 900));
  expect(log.paused).toBe(false);
  log.append(50);
  expect(await take(reader, 150)).toEqual(upTo(901, 1050));
  expect(log.reads).toBe(0);
});

test("where others need the events, a slow loop reads what it could not keep", async () => {
  const log = new Log(false);
  const reader = log.read(0);
  log.append(3456);

  expect(log.paused).toBe(false);
  expect(await take(reader, 3456)).toEqual(upTo(1, 3456));
  log.append(10);
  expect(await take(reader, 10)).toEqual(upTo(3457, 3466));
  expect(log.reads).toBeGreaterThan(5);
});

test("a pause ends when others begin to need the events", async () => {
  const log = new Log(true);
  const reader = log.read(0);
  log.append(2000);
  log.pauses = false;

  reader.stopPausing();
  log.append(2000);

  expect(log.paused).toBe(false);
  expect(await take(reader, 3000)).toEqual(upTo(1, 3000));
});

test("a loop that began with what is live goes back no further than that", async () => {
  const log = new Log(false);
  log.append(100);
  const reader = log.read(null);
  log.append(2000);

  expect(await take(reader, 2000)).toEqual(upTo(101, 2100));
});

test("a page that cannot be read ends the loop, and the next loop goes on there", async () => {
  const log = new Log(false);
  const reader = log.read(0);
  log.append(1500);
  const events = log.events.bind(log);
  log.events = () => Promise.reject(new RoomlogError("no_answer", "gone"));

  await expect(take(reader, 1)).rejects.toMatchObject({ code: "no_answer" });
  log.events = events;
  expect(await take(reader, 1500)).toEqual(upTo(1, 1500));
});

test("without onReset a reset ends the loop, and the next begins at the new position", async () => {
  const log = new Log(true);
  const reader = log.read(0);
  log.append(3);
  expect(await take(reader, 1)).toEqual([1]);
  const ended = take(reader, 9);
  reader.reset({ epoch: "e2", position: 7 });

  await expect(ended).rejects.toMatchObject({ code: "reset" });
  expect(reader.position).toBe(7);
  log.head = 7;
  log.append(2);
  expect(await take(reader, 2)).toEqual([8, 9]);
});

test("with onReset the loop goes on behind it, with nothing from before", async () => {
  const log = new Log(true);
  const resets: Reset[] = [];
  const reader = log.read(0, (reset) => resets.push(reset));
  log.append(3);
  reader.reset({ epoch: "e2", position: 7 });
  log.head = 7;
  log.append(2);

  expect(await take(reader, 2)).toEqual([8, 9]);
  const waiting = take(reader, 1);
  reader.reset({ epoch: "e3", position: 20 });
  log.head = 20;
  log.append(1);
  expect(await waiting).toEqual([21]);
  expect(resets).toEqual([
    { epoch: "e2", position: 7 },
    { epoch: "e3", position: 20 },
  ]);
});

test("a reset that could not be handled is told to the next loop again", async () => {
  const log = new Log(true);
  let told = 0;
  const reader = log.read(0, () => {
    told += 1;
    if (told === 1) {
      throw new Error("the disk is full");
    }
  });
  reader.reset({ epoch: "e2", position: 7 });
  log.head = 7;
  log.append(1);

  await expect(take(reader, 1)).rejects.toThrow("the disk is full");
  expect(await take(reader, 1)).toEqual([8]);
  expect(told).toBe(2);
});

test("a failure comes behind the events that were there, once", async () => {
  const log = new Log(true);
  const reader = log.read(0);
  log.append(2);
  reader.fail(new RoomlogError("forbidden", "membership ended"));

  expect(await take(reader, 2)).toEqual([1, 2]);
  await expect(take(reader, 1)).rejects.toMatchObject({ code: "forbidden" });
  log.append(1);
  expect(await take(reader, 1)).toEqual([3]);
});

test("a loop ends with the events that are there when the reader ends", async () => {
  const log = new Log(true);
  const reader = log.read(0);
  log.append(2);
  reader.end();

  expect(await take(reader, 9)).toEqual([1, 2]);
});
