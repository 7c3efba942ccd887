import { type AnyEvent, EVENT_TYPE_VALUES } from "./contract.gen.js";

const KNOWN_TYPES: ReadonlySet<string> = new Set(EVENT_TYPE_VALUES);

/** Whether this client knows the event's type. One that it does not has its place all the same. */
export function isKnown(event: AnyEvent): boolean {
  return KNOWN_TYPES.has(event.type);
}
