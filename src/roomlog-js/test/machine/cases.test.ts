import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { itemEventId } from "../../src/ids.js";
import { Machine, type MachineConfig } from "../../src/machine/machine.js";
import type { Effect, Input } from "../../src/machine/types.js";

interface Step {
  at_ms: number;
  chance: number;
  input: Input;
}

interface Case {
  name: string;
  proves: string[];
  config: MachineConfig;
  setup: string | null;
  steps: (Step & { effects: Effect[]; state: Record<string, unknown> })[];
}

interface Table {
  initial_state: Record<string, unknown>;
  event_ids: { room_id: string; user_id: string; key: string; event_id: string }[];
  setups: Record<string, Step[]>;
  cases: Case[];
}

const file = new URL("../../../../tests/contracts/client_cases.json", import.meta.url);
const table = JSON.parse(readFileSync(file, "utf8")) as Table;

/** Where everything stands, as the table writes it. */
function snapshot({ state, reason, attempt, rooms, queue }: Machine): Record<string, unknown> {
  return {
    state,
    reason,
    attempt,
    rooms: Object.fromEntries(
      [...rooms].map(({ room_id, phase, position, epoch }) => [
        room_id,
        { phase, position, epoch },
      ]),
    ),
    queue: [...queue].map(({ room_id, key, status, echoed, maybe_sent }) => ({
      ...{ room_id, key, status, echoed, maybe_sent },
    })),
  };
}

describe("the machine does what the table of cases says", () => {
  test.each(table.cases)("$proves $name", ({ config, setup, steps }) => {
    const machine = new Machine(config);
    const before = setup === null ? [] : table.setups[setup];
    for (const { input, at_ms, chance } of before ?? []) {
      machine.handle(input, at_ms, chance);
    }
    expect(before).toBeDefined();
    let expected = setup === null ? table.initial_state : snapshot(machine);
    for (const { input, at_ms, chance, effects, state } of steps) {
      expect(machine.handle(input, at_ms, chance), JSON.stringify(input)).toEqual(effects);
      expected = { ...expected, ...state };
      expect(snapshot(machine), JSON.stringify(input)).toEqual(expected);
    }
  });
});

test.each(table.event_ids)("$user_id's $key becomes the event of its id", (row) => {
  expect(itemEventId(row.room_id, row.user_id, row.key)).toBe(row.event_id);
});
