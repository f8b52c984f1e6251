// `npm run check`: what every change must pass before it is committed.
import { runChecks } from "./checks.mjs";
import { ensureInstalled } from "./installed.mjs";
import { Count } from "./steps.mjs";

ensureInstalled();
const count = new Count();
await runChecks(count);
count.close();
