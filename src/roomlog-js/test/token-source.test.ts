import { expect, test } from "vitest";
import { claimsOf, TokenSource } from "../src/token-source.js";

function jwt(claims: object): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  return `${part({ alg: "HS256" })}.${part(claims)}.c2ln`;
}

test("a JWT says whose it is and when it ends; what is none says nothing", () => {
  expect(claimsOf(jwt({ sub: "zoë@example.org", exp: 1_700_000_000.5 }))).toEqual({
    sub: "zoë@example.org",
    expires_at_ms: 1_700_000_000_500,
  });
  for (const odd of ["", "abc", "a.b.c", jwt({ exp: "soon" }), jwt([])]) {
    expect(claimsOf(odd)).toEqual({ sub: null, expires_at_ms: null });
  }
});

test("a function is asked for each fetch, and once by all who ask at the same time", async () => {
  let asked = 0;
  const source = new TokenSource(async () => {
    asked += 1;
    return `t${asked}`;
  });

  const [a, b] = await Promise.all([source.fetch(), source.fetch()]);
  expect([a?.token, b?.token, asked]).toEqual(["t1", "t1", 1]);
  expect((await source.fetch()).token).toBe("t2");
});

test("the current token is the last one, until it is about to end", async () => {
  const tokens = [jwt({ exp: Date.now() / 1000 + 2 }), jwt({ exp: Date.now() / 1000 + 3600 })];
  const source = new TokenSource(() => tokens.shift() ?? "none left");

  const first = await source.current();
  const second = await source.current();
  expect(second.token).not.toBe(first.token);
  expect(await source.current()).toBe(second);
});

test("a token that the user brings is the next answer, and replaces a fixed one", async () => {
  const asked = new TokenSource(() => "from the function");
  expect(asked.bring("brought").token).toBe("brought");
  expect((await asked.fetch()).token).toBe("brought");
  expect((await asked.fetch()).token).toBe("from the function");

  const fixed = new TokenSource("old");
  fixed.bring("new");
  expect((await fixed.fetch()).token).toBe("new");
  expect((await fixed.fetch()).token).toBe("new");
});

test("what the function throws is handed on, and the next fetch asks again", async () => {
  let fails = true;
  const source = new TokenSource(() => {
    if (fails) {
      throw new Error("signed out");
    }
    return "good";
  });

  await expect(source.fetch()).rejects.toThrow("signed out");
  fails = false;
  expect((await source.fetch()).token).toBe("good");
});
