// Parses the AsyncAPI document on standard input, and writes what the parser says of it as JSON.
import { text } from "node:stream/consumers";

import { Parser } from "@asyncapi/parser";

const { document, diagnostics } = await new Parser().parse(await text(process.stdin));
const told = diagnostics.map(({ code, message, path, severity }) => ({
  code,
  message,
  path: path.join("."),
  severity,
}));
process.stdout.write(
  JSON.stringify({
    diagnostics: told,
    operations: document?.operations().all().map((operation) => operation.id()) ?? [],
  }),
);
