/**
 * Lets `require("vscode")` of the client library find the stand-in that our own imports get.
 */

import Module from "node:module";
import { join } from "node:path";

type Resolve = (request: string, ...rest: unknown[]) => string;

const loader = Module as unknown as { _resolveFilename: Resolve };
const resolve = loader._resolveFilename;
loader._resolveFilename = (request, ...rest) =>
  request === "vscode" ? join(__dirname, "vscode.cjs") : resolve.call(loader, request, ...rest);
