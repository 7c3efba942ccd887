import { WebSocket } from "ws";
import { type ClientOptions, Fold, type RoomEvent, RoomlogClient } from "../../src/index.js";
import { withPages } from "./pages.js";

/** The server under test and a token for each of these users, as whoever runs the tests says. */
const given = JSON.parse(process.env["ROOMLOG_TEST_SERVER"] ?? "null") as {
  url: string;
  tokens: Record<"ada" | "bob" | "cyd", string>;
} | null;

if (given === null) {
  throw new Error("ROOMLOG_TEST_SERVER names no server: pytest tests/javascript runs these tests");
}

export const server = given;
export const ADA = "ada@example.org";
export const BOB = "bob@example.org";

/** Deadlines are generous: they are for what does not come, on machines that are busy. */
export const DEADLINE_MS = 60_000;

export function newClient(
  user: keyof typeof server.tokens,
  options: Partial<ClientOptions> = {},
): RoomlogClient {
  return new RoomlogClient({ url: server.url, token: server.tokens[user], WebSocket, ...options });
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
