/** What is different between two texts, word by word. */

export interface Part {
  readonly kind: "same" | "added" | "removed";
  readonly text: string;
}

// Beyond this, whole lines are compared, and beyond that the texts are just shown one after another.
const WORDS_MAX = 3000;
const EDITS_MAX = 1200;

/** `before` turned into `after`: the removed and the same parts make up the one, the added and the
 * same parts the other. */
export function difference(before: string, after: string): Part[] {
  if (before === after) {
    return before === "" ? [] : [{ kind: "same", text: before }];
  }
  for (const units of [words, lines]) {
    const [old, young] = [units(before), units(after)];
    if (old.length + young.length > WORDS_MAX) {
      continue;
    }
    const parts = compared(old, young);
    if (parts !== null) {
      return parts;
    }
  }
  return joined([
    { kind: "removed", text: before },
    { kind: "added", text: after },
  ]);
}

function words(text: string): string[] {
  return text.match(/\s+|[\p{L}\p{N}_]+|[^\s\p{L}\p{N}_]/gu) ?? [];
}

function lines(text: string): string[] {
  return text.match(/[^\n]*\n|[^\n]+/gu) ?? [];
}

/** The shortest way from one to the other (Myers 1986, greedy); null where it is too long. */
function compared(old: readonly string[], young: readonly string[]): Part[] | null {
  const longest = Math.min(old.length + young.length, EDITS_MAX);
  const reached = new Map<number, number>([[1, 0]]);
  const steps: Map<number, number>[] = [];
  for (let edits = 0; edits <= longest; edits += 1) {
    steps.push(new Map(reached));
    for (let line = -edits; line <= edits; line += 2) {
      let x = begins(reached, line, edits);
      while (x < old.length && x - line < young.length && old[x] === young[x - line]) {
        x += 1;
      }
      reached.set(line, x);
      if (x >= old.length && x - line >= young.length) {
        return walkedBack(old, young, steps);
      }
    }
  }
  return null;
}

/** Where `edits` edits lead to on a diagonal: from the one above or the one beside it. */
function begins(reached: ReadonlyMap<number, number>, line: number, edits: number): number {
  const above = reached.get(line + 1) ?? -1;
  const beside = reached.get(line - 1) ?? -1;
  return line === -edits || (line !== edits && beside < above) ? above : beside + 1;
}

function walkedBack(
  old: readonly string[],
  young: readonly string[],
  steps: readonly ReadonlyMap<number, number>[],
): Part[] {
  const parts: Part[] = [];
  let [x, y] = [old.length, young.length];
  for (let edits = steps.length - 1; edits >= 0; edits -= 1) {
    const reached = steps[edits] ?? new Map<number, number>();
    const line = x - y;
    const above = reached.get(line + 1) ?? -1;
    const beside = reached.get(line - 1) ?? -1;
    const down = line === -edits || (line !== edits && beside < above);
    const from = down ? line + 1 : line - 1;
    const fromX = edits === 0 ? 0 : (reached.get(from) ?? 0);
    const fromY = edits === 0 ? 0 : fromX - from;
    while (x > fromX && y > fromY) {
      x -= 1;
      y -= 1;
      parts.push({ kind: "same", text: old[x] ?? "" });
    }
    if (edits > 0 && down) {
      y -= 1;
      parts.push({ kind: "added", text: young[y] ?? "" });
    } else if (edits > 0) {
      x -= 1;
      parts.push({ kind: "removed", text: old[x] ?? "" });
    }
  }
  return joined(parts.reverse());
}

/** Neighbours of one kind as one; within a change, what was removed first. */
function joined(parts: readonly Part[]): Part[] {
  const result: Part[] = [];
  let [removed, added] = ["", ""];
  const change = (): void => {
    if (removed !== "") {
      result.push({ kind: "removed", text: removed });
    }
    if (added !== "") {
      result.push({ kind: "added", text: added });
    }
    [removed, added] = ["", ""];
  };
  for (const { kind, text } of parts) {
    if (kind === "removed") {
      removed += text;
    } else if (kind === "added") {
      added += text;
    } else {
      change();
      const before = result[result.length - 1];
      if (before?.kind === "same") {
        result[result.length - 1] = { kind: "same", text: before.text + text };
      } else {
        result.push({ kind: "same", text });
      }
    }
  }
  change();
  return result;
}
