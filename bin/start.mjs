// `npm start`: installs what is missing, then runs the local gateway under the pinned Node until it is stopped.
import { spawn } from "node:child_process";
import { childEnv, ensureInstalled, pinnedNode, root } from "./installed.mjs";

ensureInstalled();
const child = spawn(pinnedNode, [`${root}demo/main.ts`], { cwd: root, env: childEnv(), stdio: "inherit" });
// The terminal sends Ctrl-C to the whole group: the child stops itself, and this process waits for it.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
child.on("exit", (code, signal) => process.exit(code ?? (signal === "SIGINT" || signal === "SIGTERM" ? 0 : 1)));
