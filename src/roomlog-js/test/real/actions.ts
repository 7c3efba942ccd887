import fc from "fast-check";
import type { Person } from "./person.js";
import type { Fault, Proxy } from "./proxy.js";

export type Action =
  | { readonly do: "send" | "restart" | "look away" | "look back"; readonly who: number }
  | { readonly do: "edit" | "delete"; readonly who: number; readonly nth: number }
  | {
      readonly do: "react" | "unreact";
      readonly who: number;
      readonly nth: number;
      readonly emoji: string;
    }
  | { readonly do: "fault"; readonly fault: Fault }
  | { readonly do: "online"; readonly online: boolean }
  | { readonly do: "cut" }
  | { readonly do: "wait"; readonly ms: number };

const who = fc.nat(1);
const nth = fc.nat(5);
const emoji = fc.constantFrom("👍", "🎉");

const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 10, arbitrary: fc.record({ do: fc.constant("send" as const), who }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom("edit", "delete"), who, nth }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constantFrom("react", "unreact"), who, nth, emoji }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("cut" as const) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant("fault" as const),
      fault: fc.constantFrom<Fault>("none", "none", "stall", "refuse", "halve", "delay"),
    }),
  },
  { weight: 8, arbitrary: fc.record({ do: fc.constant("wait" as const), ms: fc.nat(120) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("online" as const), online: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom("restart", "look away"), who }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("look back" as const), who }) },
);

/** What people do, and what the network does to them, in this order. */
export const actions = fc.array(action, { minLength: 10, maxLength: 80 });

export async function act(
  action: Action,
  people: readonly Person[],
  proxy: Proxy,
): Promise<void> {
  if (!("who" in action)) {
    return disturb(action, people, proxy);
  }
  const person = people[action.who] as Person;
  switch (action.do) {
    case "send":
      return person.send();
    case "restart":
      return person.restart();
    case "look back":
      return person.loadMore();
    case "look away":
      return person.lookAway();
  }
  const target = person.targets.at(-1 - action.nth);
  if (target !== undefined) {
    switch (action.do) {
      case "edit":
        return person.edit(target.message_id);
      case "delete":
        return person.delete(target.message_id);
      case "react":
        return person.react(target.message_id, action.emoji);
      case "unreact":
        return person.unreact(target.message_id, action.emoji);
    }
  }
}

async function disturb(
  action: Exclude<Action, { who: number }>,
  people: readonly Person[],
  proxy: Proxy,
): Promise<void> {
  switch (action.do) {
    case "fault":
      return proxy.set(action.fault);
    case "cut":
      return proxy.cut();
    case "online":
      return people[0]?.setOnline(action.online);
    case "wait":
      await new Promise((resolve) => setTimeout(resolve, action.ms));
  }
}
