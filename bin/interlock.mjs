#!/usr/bin/env node
// `interlock`: runs the CLI under the pinned Node.
import { spawn } from "node:child_process";
import { childEnv, ensureInstalled, pinnedNode, root } from "./installed.mjs";

ensureInstalled();
const child = spawn(pinnedNode, [`${root}src/cli/main.ts`, ...process.argv.slice(2)], {
  env: childEnv(),
  stdio: "inherit",
});
child.on("exit", (code) => process.exit(code ?? 1));
