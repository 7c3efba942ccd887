import { createHash } from "node:crypto";
import fc from "fast-check";
import { expect, it } from "vitest";
import { sha256 } from "../../src/bundle/sha256.js";

it("hashes as Node does, whatever the length and the parts", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 200 })), (parts) => {
      const expected = createHash("sha256").update(Buffer.concat(parts)).digest();
      expect(Buffer.from(sha256(...parts))).toEqual(expected);
    }),
    { numRuns: 500 },
  );
});
