// @vitest-environment happy-dom
/** The programs of docs/client/typescript.md, as they stand there, with the package as built. */

import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { cleanup, fireEvent, render, screen, waitFor } from "@testing-library/react";
import type { ComponentType } from "react";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ADA, BOB, DEADLINE_MS, newClient, newRoom, server, tokenOf } from "./server.js";

const run = promisify(execFile);
/** Tests run in the package's folder. */
const packageFolder = process.cwd();
const page = readFileSync(join(packageFolder, "../../docs/client/typescript.md"), "utf8");
const programs = [...page.matchAll(/^```tsx? (\S+)\n(.*?)^```$/gms)].map(
  ([, name = "", text = ""]): [string, string] => [name, text],
);
let folder: string;

/** A project of somebody's who uses the package, within it so that its name is found. */
beforeAll(async () => {
  folder = mkdtempSync(join(packageFolder, ".docs-"));
  for (const [name, text] of programs) {
    writeFileSync(join(folder, name), text);
  }
  const options = {
    ...{ target: "ES2022", module: "NodeNext", strict: true, jsx: "react-jsx" },
    ...{ exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true },
    ...{ noUnusedLocals: true, types: ["node"], skipLibCheck: true },
  };
  const project = { compilerOptions: options, files: programs.map(([name]) => name) };
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(project));
  const tsc = join(packageFolder, "node_modules", ".bin", "tsc");
  await run(tsc, ["-p", folder]).catch((error: { stdout: string }) => {
    throw new Error(error.stdout);
  });
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Node shows its own WebSocket unasked from version 22 on. */
const ownWebSocket = parseInt(process.versions.node) < 22 ? ["--experimental-websocket"] : [];

async function output(
  program: string,
  room = "",
  flags: readonly string[] = [],
): Promise<string[]> {
  const env = {
    ...process.env,
    ...{ ROOMLOG_URL: server.url, ROOMLOG_TOKEN: tokenOf(ADA), ROOMLOG_ROOM: room },
  };
  const path = join(folder, program.replace(/\.ts$/, ".js"));
  const given = [...flags, path];
  const { stdout, stderr } = await run(process.execPath, given, { env, cwd: folder });
  expect(stderr).toBe("");
  return stdout.trim().split("\n");
}

test("the page has these programs, and this file tries each", () => {
  expect(programs.map(([name]) => name)).toEqual([
    ...["quickstart.ts", "follow.ts", "past.ts", "chat.tsx", "errors.ts"],
  ]);
});

test("quickstart.ts", async () => {
  expect(await output("quickstart.ts")).toEqual([
    expect.stringMatching(/^\d+ room.created $/),
    expect.stringMatching(/^\d+ message.sent p99 is at \*\*4 s\*\*$/),
    expect.stringMatching(/^\d+ reaction.added $/),
    "<p>p99 is at <strong>4 s</strong></p>",
  ]);
});

test("quickstart.ts with Node's own WebSocket, and without any package", async () => {
  const own = join(folder, "own-socket.js");
  const text = readFileSync(join(folder, "quickstart.js"), "utf8");
  writeFileSync(own, text.replace(/^import .* from "ws";$/m, "").replace("WebSocket,", ""));
  expect(readFileSync(own, "utf8")).not.toContain("WebSocket");
  const warnings = ["--disable-warning=ExperimentalWarning"];
  expect(await output("own-socket.js", "", [...ownWebSocket, ...warnings])).toHaveLength(4);
});

test("follow.ts goes on where it was", async () => {
  const client = newClient(ADA);
  client.connect();
  const room_id = await newRoom(client);
  const room = client.room(room_id);
  await room.send("one");
  await room.send("stop");
  expect(await output("follow.ts", room_id)).toEqual([`${ADA}: one`, `${ADA}: stop`]);

  await room.send("two");
  await room.send("stop");
  expect(await output("follow.ts", room_id)).toEqual([`${ADA}: two`, `${ADA}: stop`]);
  client.close();
});

test("past.ts", async () => {
  expect(await output("past.ts")).toEqual([
    "the cache is cold 1",
    "the cache is full 0",
    `${ADA} ben@example.org open`,
  ]);
});

test("errors.ts", async () => {
  expect(await output("errors.ts")).toEqual(["read it again, decide anew"]);
});

test("chat.tsx shows a room and sends into it, on a page of the server's origin", async () => {
  const { happyDOM } = window as unknown as { happyDOM: { setURL(url: string): void } };
  happyDOM.setURL(server.url);
  const { App } = (await import(join(folder, "chat.tsx"))) as {
    App: ComponentType<{ url: string; token: () => Promise<string>; room: string }>;
  };
  const bob = newClient(BOB);
  bob.connect();
  const room = await newRoom(newClient(ADA));
  await bob.room(room).send("p99 is at **4 s**");

  render(<App url={server.url} token={async () => tokenOf(ADA)} room={room} />);
  const found = { timeout: DEADLINE_MS };
  await screen.findByText("4 s", {}, found);
  await screen.findByText("1 online", {}, found);
  fireEvent.change(screen.getByLabelText("Message"), { target: { value: "on it" } });
  fireEvent.click(screen.getByText("Send"));
  await screen.findByText("on it", {}, found);
  await waitFor(() => expect(document.querySelector("[aria-busy=true]")).toBeNull(), found);
  const { items } = await bob.room(room).history();
  expect(items[0]).toMatchObject({ content: "on it", sender_id: ADA });
  cleanup();
  bob.close();
});
