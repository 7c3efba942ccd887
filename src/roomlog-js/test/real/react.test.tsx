// @vitest-environment happy-dom
/** The hooks over a client of a real server, as a page uses them. */

import { act, cleanup, render, renderHook, screen, waitFor } from "@testing-library/react";
import { type ReactNode, StrictMode } from "react";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Room, RoomlogClient } from "../../src/index.js";
import {
  RoomlogProvider,
  useClient,
  useConnection,
  useMessages,
  usePresence,
  useReactions,
  useRoom,
  useRooms,
  useTyping,
  useUnread,
} from "../../src/react/index.js";
import { Proxy } from "./proxy.js";
import { ADA, BOB, CYD, DEADLINE_MS, newClient, newRoom, server } from "./server.js";

let ada: RoomlogClient;
let bob: RoomlogClient;
let proxy: Proxy;
let room_id: string;
let theirs: Room;

beforeEach(async () => {
  proxy = await Proxy.start(server.url);
  ada = newClient(ADA, { url: proxy.url, lingerMs: 0, pageSize: 5 });
  bob = newClient(BOB, { lingerMs: 0 });
  bob.connect();
  room_id = await newRoom(newClient(ADA));
  theirs = bob.room(room_id);
});

afterEach(async () => {
  cleanup();
  ada.close();
  bob.close();
  await proxy.stop();
});

function Page({ children }: { children: ReactNode }): ReactNode {
  return (
    <StrictMode>
      <RoomlogProvider client={ada}>{children}</RoomlogProvider>
    </StrictMode>
  );
}

function hook<T>(use: () => T): { readonly current: T } {
  return renderHook(use, { wrapper: Page }).result;
}

/** Wait until it is so, however many renderings it takes. */
function until(check: () => void): Promise<void> {
  return waitFor(check, { timeout: DEADLINE_MS, interval: 10 });
}

test("messages show live, with edits, reactions and deletions", async () => {
  const page = hook(() => useMessages(room_id));
  await until(() => expect(page.current.status).toBe("ready"));

  const { message_id } = await theirs.send("it is **slow**");
  await until(() => expect(page.current.messages.at(-1)?.content_html).toContain("<strong>"));
  await theirs.edit(message_id, "it is fast");
  await theirs.react(message_id, "👍");
  await until(() =>
    expect(page.current.messages.at(-1)).toMatchObject({
      ...{ content: "it is fast", logged: true, pending: [], sender_id: BOB },
      reactions: [{ emoji: "👍", count: 1, users: [BOB] }],
    }),
  );
  await theirs.delete(message_id);
  await until(() => expect(page.current.messages.at(-1)?.deleted_at).not.toBeNull());
});

test("what is typed offline shows at once, keeps its id, and is sent later", async () => {
  const page = hook(() => ({ ...useMessages(room_id), connection: useConnection() }));
  await until(() => expect(page.current.status).toBe("ready"));
  await until(() => expect(page.current.connection.state).toBe("live"));
  proxy.set("refuse");
  proxy.cut();
  // In one look: while it tries again there is no reason yet why it could not.
  await until(() =>
    expect(page.current.connection).toMatchObject({
      state: "waiting",
      reason: { code: "connection_lost" },
    }),
  );

  await act(async () => {
    void page.current.send("first");
    void page.current.send("second");
  });
  await until(() => expect(page.current.messages.filter((one) => !one.logged)).toHaveLength(2));
  const ids = page.current.messages.slice(-2).map((one) => one.message_id);
  const offline = page.current.messages.slice(-2);
  expect(offline.map((one) => one.pending[0]?.status)).toEqual(["queued", "queued"]);

  proxy.set("none");
  await act(async () => page.current.connection.connect());
  await until(() => expect(page.current.messages.at(-1)?.logged).toBe(true));
  const online = page.current.messages.slice(-2);
  expect(online.map((one) => one.content)).toEqual(["first", "second"]);
  expect(online.map((one) => one.message_id)).toEqual(ids);
});

test("what was refused stays with its reason, to be retried or dismissed", async () => {
  const page = hook(() => useMessages(room_id));
  const { message_id } = await theirs.send("mine");
  await until(() => expect(page.current.messages.at(-1)?.message_id).toBe(message_id));

  await act(async () => void page.current.edit(message_id, "no, mine"));
  const refused = (): unknown => page.current.messages.at(-1)?.pending;
  await until(() =>
    expect(refused()).toMatchObject([{ status: "refused", error: { code: "forbidden" } }]),
  );
  expect(page.current.messages.at(-1)?.content).toBe("mine");
  const key = (): string => page.current.messages.at(-1)?.pending[0]?.key ?? "";
  const first = key();
  await act(async () => page.current.retry(first));
  await until(() => {
    expect(refused()).toMatchObject([{ status: "refused" }]);
    expect(key()).not.toBe(first);
  });
  await act(async () => page.current.dismiss(key()));
  await until(() => expect(refused()).toEqual([]));
});

test("older messages come page by page", async () => {
  for (let n = 0; n < 12; n += 1) {
    await theirs.send(`n${n}`);
  }
  const page = hook(() => useMessages(room_id));
  await until(() => expect(page.current.messages).toHaveLength(5));
  expect(page.current.hasMore).toBe(true);

  while (page.current.hasMore) {
    await act(() => page.current.loadMore());
  }

  const contents = page.current.messages.map((one) => one.content);
  expect(contents.slice(-12)).toEqual(Array.from({ length: 12 }, (_, n) => `n${n}`));
});

test("a reaction is toggled, and shows as the user's own at once", async () => {
  const { message_id } = await theirs.send("good news");
  await theirs.react(message_id, "🎉");
  const page = hook(() => useReactions(room_id, message_id));
  await until(() => expect(page.current.reactions).toMatchObject([{ count: 1, mine: false }]));

  await act(() => page.current.toggle("🎉"));
  await until(() => expect(page.current.reactions).toMatchObject([{ count: 2, mine: true }]));
  await act(() => page.current.toggle("🎉"));
  await until(() => expect(page.current.reactions).toMatchObject([{ count: 1, mine: false }]));
});

test("who is online and types shows, without the user among those who type", async () => {
  const page = hook(() => ({ online: usePresence(room_id), typing: useTyping(room_id) }));
  const leave = theirs.store.subscribe(() => {});
  await until(() => expect([...page.current.online].sort()).toEqual([ADA, BOB]));

  await until(() => {
    theirs.typing(true);
    page.current.typing.setTyping(true);
    expect(page.current.typing.users).toEqual([BOB]);
  });
  leave();
  await until(() => expect(page.current.online).toEqual([ADA]));
});

test("what others say is unread until it is seen, in the room and in the list", async () => {
  const page = hook(() => ({ ...useUnread(room_id), list: useRooms() }));
  const listed = (): number | undefined =>
    page.current.list.rooms.find((one) => one.room_id === room_id)?.unread;
  await until(() => expect(listed()).toBe(0));
  await theirs.send("one");
  const { message_id } = await theirs.send("two");
  await until(() => expect(page.current.unread).toBe(2));
  await until(() => expect(listed()).toBe(2));
  expect(await ada.room(room_id).store.findFirstUnread()).not.toBe(message_id);

  await act(async () => page.current.markSeen());
  await until(() => expect(page.current.unread).toBe(0));
  await vi.waitFor(async () => expect(await ada.room(room_id).unread()).toBe(0), DEADLINE_MS);
});

test("a room tells what it is and whether it is live; one that may not be read, why", async () => {
  const page = hook(() => useRoom(room_id));
  await until(() => expect(page.current.live).toBe(true));
  expect(page.current).toMatchObject({ status: "ready", role: "commander" });
  expect(page.current.info).toMatchObject({ name: "incident", status: "open" });
  expect([...page.current.members.keys()].sort()).toEqual([ADA, BOB]);
  await act(() => page.current.room.update({ status: "mitigated" }));
  await until(() => expect(page.current.info?.status).toBe("mitigated"));

  const cyd = newClient(CYD);
  const hidden = renderHook(() => useRoom(room_id), {
    wrapper: ({ children }) => <RoomlogProvider client={cyd}>{children}</RoomlogProvider>,
  }).result;
  await until(() => expect(hidden.current).toMatchObject({ status: "ended", live: false }));
  expect(hidden.current.error?.code).toBe("forbidden");
  cyd.close();
});

test("a room is followed while somebody looks, and left when nobody does", async () => {
  const { unmount } = renderHook(() => useMessages(room_id), { wrapper: Page });
  const { store } = ada.room(room_id);
  await until(() => expect(store.getSnapshot().live).toBe(true));

  unmount();
  await until(() => expect(store.isActive).toBe(false));
  const page = hook(() => useMessages(room_id));
  await until(() => expect(page.current.status).toBe("ready"));
});

test("only what shows something else is rendered again", async () => {
  const rendered = { presence: 0, messages: 0 };
  function Presence(): ReactNode {
    rendered.presence += 1;
    return <p>{usePresence(room_id).length} online</p>;
  }
  function Messages(): ReactNode {
    rendered.messages += 1;
    return <p>{useMessages(room_id).messages.map((one) => one.content)}</p>;
  }
  render(<Presence />, { wrapper: Page });
  render(<Messages />, { wrapper: Page });
  await until(() => expect(ada.room(room_id).store.getSnapshot().live).toBe(true));
  await until(() => screen.getByText("1 online"));
  const { presence, messages } = rendered;

  await theirs.send("hello");
  await until(() => screen.getByText(/hello/));
  expect(rendered.presence).toBe(presence);
  expect(rendered.messages).toBeGreaterThan(messages);
});

test("without a provider the hooks say what is missing", () => {
  vi.spyOn(console, "error").mockImplementation(() => {});

  expect(() => renderHook(() => useClient())).toThrow("RoomlogProvider");
});
