import { fileURLToPath } from "node:url";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

const place = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

// `roomlog up` listens here unless told otherwise: `npm run dev` shows the page over it.
const SERVER = "http://127.0.0.1:8080";

export default defineConfig({
  plugins: [react()],
  resolve: {
    alias: [
      { find: /^roomlog-js$/, replacement: place("../roomlog-js/src/index.ts") },
      { find: /^roomlog-js\/react$/, replacement: place("../roomlog-js/src/react/index.ts") },
    ],
    // The client's own packages are for its tests: the page has one React.
    dedupe: ["react", "react-dom"],
  },
  build: {
    outDir: place("../roomlog/http/console"),
    emptyOutDir: true,
    target: ["chrome125", "edge125", "firefox128", "safari18"],
    // The page's policy takes no data: addresses but for pictures, and no inline scripts at all.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    license: { fileName: "licenses.md" },
    reportCompressedSize: false,
  },
  server: {
    proxy: { "/api": SERVER, "/ws": { target: SERVER, ws: true } },
  },
  test: { include: ["test/**/*.test.ts"], environment: "node" },
});
