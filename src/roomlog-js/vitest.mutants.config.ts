import { defineConfig } from "vitest/config";

/** Bundles made by chance: `ROOMLOG_BUNDLE_MUTANTS` names the file, and pytest writes it. */
export default defineConfig({
  test: {
    include: ["test/mutants/**/*.test.ts"],
    maxWorkers: 1,
    testTimeout: 120_000,
  },
});
