/** What a verifier says of a bundle. */

import type { Checkpoint } from "./notes.js";

export type BundleCode =
  | "ok"
  | "not_a_bundle"
  | "head"
  | "key"
  | "truncated"
  | "malformed"
  | "order"
  | "room"
  | "body"
  | "hole"
  | "timeline"
  | "chain"
  | "checkpoint_malformed"
  | "checkpoint_signature"
  | "checkpoint_origin"
  | "checkpoint_size"
  | "checkpoint_root"
  | "hash"
  | "signature"
  | "trailing"
  | "against_signature"
  | "against_origin"
  | "against_size"
  | "against_root";

/**
 * What was found. `ok` only where everything held; else `code`, `detail` and, where one event can
 * be named, `sequence`, and in `last_good` the last event before it that was as it should.
 */
export interface BundleVerdict {
  ok: boolean;
  code: BundleCode;
  detail: string;
  sequence: number | null;
  last_good: number | null;
  room_id: string | null;
  epoch: string | null;
  exported_at: string | null;
  key: string | null;
  events: number;
  erased: number;
  root: string | null;
  checkpoint: string | null;
  proved: string[];
  not_proved: string[];
}

/** Say of a bundle in which everything held what that proves, and what not. */
export function conclude(
  verdict: BundleVerdict,
  isKeyGiven: boolean,
  against: Checkpoint | null,
): void {
  verdict.proved = [
    "nobody without the private key changed a byte of this file since it was signed",
    `these ${verdict.events} events, in this order, are all that the signed checkpoint counts`,
    "what each event says is what its envelope vouches for, and what the page shows is that",
  ];
  verdict.not_proved = [
    "that the actors said it: the server vouches for who was signed in",
    "when events were appended: the times are the server's own",
    "what came after the checkpoint",
  ];
  if (verdict.erased > 0) {
    verdict.proved.push(`${verdict.erased} erased events are explained by redactions`);
    verdict.not_proved.push("what the erased events said");
  }
  if (isKeyGiven) {
    verdict.proved.push("the key is one that you gave");
  } else {
    verdict.not_proved.push("whose key it is: give the key that you know, with --key");
  }
  if (against !== null) {
    verdict.proved.push(`the first ${against.size} events are those of your checkpoint`);
  } else {
    verdict.not_proved.push(
      "that the owner of the key did not rewrite or shorten the room before this was signed: " +
        "give a checkpoint that was held elsewhere, with --against",
    );
  }
}
