import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, expect, test } from "vitest";
import { Http } from "../src/http.js";
import { Rest } from "../src/rest.js";
import { TokenSource } from "../src/token-source.js";

interface Answer {
  status: number;
  body?: unknown;
  headers?: Record<string, string>;
}

interface Asked {
  method: string;
  url: string;
  headers: Record<string, string | string[] | undefined>;
  body: string;
}

let server: Server | null = null;

afterEach(() => server?.close());

/** A server that gives these answers, one after the other, and the last one for ever. */
async function answering(...answers: Answer[]): Promise<{ url: string; asked: Asked[] }> {
  const asked: Asked[] = [];
  server = createServer((request, response) => {
    let body = "";
    request.on("data", (chunk: Buffer) => (body += chunk.toString()));
    request.on("end", () => {
      const { method = "", url = "", headers } = request;
      asked.push({ method, url, headers, body });
      const answer = answers[Math.min(asked.length, answers.length) - 1];
      response.writeHead(answer?.status ?? 500, answer?.headers);
      response.end(answer?.body === undefined ? "" : JSON.stringify(answer.body));
    });
  });
  await new Promise<void>((resolve) => server?.listen(0, "127.0.0.1", resolve));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked };
}

function rest(baseUrl: string, patienceMs = 5000, token: () => string = () => "t"): Rest {
  const tokens = new TokenSource(token);
  return new Rest(new Http({ baseUrl, fetch, tokens, patienceMs }));
}

const BEHIND = { status: 503, body: { code: "projection_behind", detail: "wait" } };

test("what is unavailable is asked again, after the time that the server names", async () => {
  const later = { ...BEHIND, headers: { "Retry-After": "0.3" } };
  const { url, asked } = await answering(later, later, { status: 200, body: { room_id: "r" } });
  const began_ms = Date.now();

  expect(await rest(url).room("r", { min_sequence: 7 })).toEqual({ room_id: "r" });
  expect(asked.map((one) => one.url)).toEqual(Array(3).fill("/api/rooms/r?min_sequence=7"));
  expect(Date.now() - began_ms).toBeGreaterThanOrEqual(590);
});

test("patience ends, with the server's own code", async () => {
  const { url } = await answering(BEHIND);

  await expect(rest(url, 0).room("r")).rejects.toMatchObject({
    ...{ code: "projection_behind", status: 503, detail: "wait" },
  });
});

test("a refusal is told at once, with the fields at fault", async () => {
  const errors = [{ field: "content", detail: "must not be empty" }];
  const { url, asked } = await answering({ status: 422, body: { code: "invalid", errors } });

  await expect(rest(url).sendMessage("r", { content: "" })).rejects.toMatchObject({
    ...{ code: "invalid", status: 422, errors },
  });
  expect(asked).toHaveLength(1);
});

test("a refused token is renewed once, and the same is asked again", async () => {
  const refused = { status: 401, body: { code: "unauthenticated", detail: "expired" } };
  const { url, asked } = await answering(refused, { status: 200, body: { items: [] } });
  let count = 0;

  await rest(url, 5000, () => `t${(count += 1)}`).rooms();

  expect(asked.map((one) => one.headers["authorization"])).toEqual(["Bearer t1", "Bearer t2"]);
  const { url: closed } = await answering(refused);
  await expect(rest(closed).rooms()).rejects.toMatchObject({ code: "unauthenticated" });
});

test("a write that is asked again bears the same key and the same words", async () => {
  const { url, asked } = await answering({ status: 502 }, { status: 201, body: {} });

  await rest(url).sendMessage("r", { content: "once" });

  expect(asked).toHaveLength(2);
  expect(asked[0]?.headers["idempotency-key"]).toMatch(/^[0-9a-f-]{36}$/);
  expect(asked[1]?.headers["idempotency-key"]).toBe(asked[0]?.headers["idempotency-key"]);
  expect(asked[1]?.body).toBe('{"content":"once"}');
});

test("a change names the version that it is of, and ids are kept apart from the path", async () => {
  const { url, asked } = await answering({ status: 200, body: { reactions: [] } });

  await rest(url).editMessage("m", { content: "x" }, { expected_version: 12, key: "mine" });
  await rest(url).removeReaction("m", "a/b?c");

  expect(asked[0]?.headers["if-match"]).toBe('"12"');
  expect(asked[0]?.headers["idempotency-key"]).toBe("mine");
  expect(asked[1]?.url).toBe("/api/messages/m/reactions/a%2Fb%3Fc");
});

test("a network that fails is no_answer, and a signal ends the waiting", async () => {
  const { url } = await answering(BEHIND);
  const abort = new AbortController();
  const answer = rest(url, 60_000).room("r", { signal: abort.signal });
  abort.abort(new Error("enough"));

  await expect(answer).rejects.toThrow("enough");
  server?.close();
  server?.closeAllConnections();
  await expect(rest(url, 0).room("r")).rejects.toMatchObject({
    code: "no_answer",
    detail: expect.stringContaining("ECONNREFUSED"),
  });
});

test("an answer without words is nothing", async () => {
  const { url, asked } = await answering({ status: 204 });

  expect(await rest(url).markRead("r", 5)).toBeUndefined();
  expect(asked[0]).toMatchObject({ method: "PUT", body: '{"sequence":5}' });
});
