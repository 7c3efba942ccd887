import { createHmac } from "node:crypto";
import { WebSocket } from "ws";
import { type ClientOptions, Fold, type RoomEvent, RoomlogClient } from "../../src/index.js";
import { withPages } from "./pages.js";

/** The server under test and what its tokens are signed with, as whoever runs the tests says. */
const given = JSON.parse(process.env["ROOMLOG_TEST_SERVER"] ?? "null") as {
  url: string;
  secret: string;
} | null;

if (given === null) {
  throw new Error("ROOMLOG_TEST_SERVER names no server: pytest tests/javascript runs these tests");
}

export const server = given;
export const ADA = "ada@example.org";
export const BOB = "bob@example.org";
export const CYD = "cyd@example.org";

/** Deadlines are generous: they are for what does not come, on machines that are busy. */
export const DEADLINE_MS = 60_000;

/** A token of this user's, as `roomlog token` signs them. */
export function tokenOf(sub: string, ttl_s = 3600, claims: object = {}): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  const exp = Math.floor(Date.now() / 1000) + ttl_s;
  const signed = `${part({ alg: "HS256", typ: "JWT" })}.${part({ sub, exp, ...claims })}`;
  return `${signed}.${createHmac("sha256", server.secret).update(signed).digest("base64url")}`;
}

export function newClient(user: string, options: Partial<ClientOptions> = {}): RoomlogClient {
  return new RoomlogClient({ url: server.url, token: tokenOf(user), WebSocket, ...options });
}

/** A new room of Ada's, with Bob as a responder. */
export async function newRoom(ada: RoomlogClient): Promise<string> {
  const members = [{ user_id: BOB, role: "responder" as const }];
  return (await ada.rest.createRoom({ name: "incident", members })).room_id;
}

/** All events of the room, read from the log by REST. */
export function logOf(client: RoomlogClient, room_id: string): Promise<RoomEvent[]> {
  return withPages((cursor) => client.rest.events(room_id, { limit: 500, cursor }));
}

export function foldOf(events: readonly RoomEvent[]): Fold {
  const fold = new Fold();
  for (const event of events) {
    fold.apply(event);
  }
  return fold;
}

/** Wait until it is so. Rejects with what `told` says when it takes too long. */
export async function eventually(
  so: () => boolean | Promise<boolean>,
  told: () => string = () => "it did not come",
): Promise<void> {
  const deadline = Date.now() + DEADLINE_MS;
  while (!(await so())) {
    if (Date.now() > deadline) {
      throw new Error(told());
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
