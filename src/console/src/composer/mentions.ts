import { localPart } from "../format";

/** Who can be mentioned, and what is written to do so. */
export interface Mentionable {
  readonly id: string;
  readonly name: string;
  /** Without the @. */
  readonly written: string;
}

interface Member {
  readonly name: string | null;
}

export const EVERYBODY = "room";
const SHOWN_MAX = 8;
// As the server reads mentions: not within a word, a path or an address.
const BEGUN = /(?<![\p{L}\p{N}_./@+=-])@([^\s@`<>()[\],;:"]*(?:@[\p{L}\p{N}_.-]*)?)$/u;

/** What stands between the last @ and the caret, where a mention is being written there. */
export function mentionAt(text: string, caret: number): string | null {
  return BEGUN.exec(text.slice(0, caret))?.[1] ?? null;
}

/**
 * All who can be mentioned: members by their local part where only one has it, else by their
 * full address; and everybody.
 */
export function mentionables(members: ReadonlyMap<string, Member>): Mentionable[] {
  const shared = new Map<string, number>();
  for (const id of members.keys()) {
    const part = localPart(id).toLowerCase();
    shared.set(part, (shared.get(part) ?? 0) + 1);
  }
  const all = [...members].map(([id, { name }]): Mentionable => {
    const part = localPart(id);
    const alone = shared.get(part.toLowerCase()) === 1 && part.toLowerCase() !== EVERYBODY;
    return { id, name: name ?? part, written: alone ? part : id };
  });
  all.sort((one, other) => one.written.localeCompare(other.written));
  return [...all, { id: "@room", name: "Everybody in the room", written: EVERYBODY }];
}

/** Those whom the beginning may mean: who begins so comes before who contains it. */
export function matching(all: readonly Mentionable[], begun: string): Mentionable[] {
  const sought = begun.toLowerCase();
  const rank = ({ id, name, written }: Mentionable): number => {
    const words = [written, ...name.split(/\s+/u)].map((word) => word.toLowerCase());
    if (words.some((word) => word.startsWith(sought))) {
      return 0;
    }
    return id.toLowerCase().includes(sought) ? 1 : 2;
  };
  return [0, 1]
    .flatMap((wanted) => all.filter((one) => rank(one) === wanted))
    .slice(0, SHOWN_MAX);
}

/** The text with the mention at the caret completed, and where the caret is then. */
export function completed(
  text: string,
  caret: number,
  chosen: Mentionable,
): { text: string; caret: number } {
  const begun = mentionAt(text, caret) ?? "";
  const before = text.slice(0, caret - begun.length) + chosen.written;
  const after = text.slice(caret);
  const space = /^\s/u.test(after) ? "" : " ";
  return { text: before + space + after, caret: before.length + 1 };
}
