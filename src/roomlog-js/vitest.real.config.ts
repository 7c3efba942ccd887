import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

function source(path: string): string {
  return fileURLToPath(new URL(path, import.meta.url));
}

/** Against a real server: `ROOMLOG_TEST_SERVER` names it, and pytest starts it. */
export default defineConfig({
  // A page that a test takes from the documentation gets the client that is tested here.
  resolve: {
    alias: [
      { find: /^roomlog-js$/, replacement: source("src/index.ts") },
      { find: /^roomlog-js\/react$/, replacement: source("src/react/index.ts") },
    ],
  },
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
