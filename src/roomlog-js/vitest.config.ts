import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.{ts,tsx}"],
    exclude: ["test/real/**", "test/mutants/**"],
    // Few cores are shared with servers under test.
    maxWorkers: 2,
    testTimeout: 20_000,
  },
});
