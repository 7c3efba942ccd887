import { defineConfig } from "vitest/config";

/** Against a real server: `ROOMLOG_TEST_SERVER` names it, and pytest starts it. */
export default defineConfig({
  test: {
    include: ["test/real/**/*.test.{ts,tsx}"],
    maxWorkers: 1,
    setupFiles: ["test/real/page.ts"],
    // The page's origin is not the server's here.
    environmentOptions: { happyDOM: { settings: { fetch: { disableSameOriginPolicy: true } } } },
    testTimeout: 120_000,
    hookTimeout: 60_000,
  },
});
