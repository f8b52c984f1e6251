// `npm test`: installs what is missing and runs everything that CI runs.
import { runChecks } from "./checks.mjs";
import { ensureInstalled } from "./installed.mjs";
import { Count } from "./steps.mjs";

ensureInstalled();
const count = new Count();
await runChecks(count);
await count.tests("long unit tests", ["--project", "unit-long"]);
await count.tests("long workerd tests", ["--project", "workerd-long"]);
await count.tests("end-to-end tests", ["--project", "e2e"]);
count.close();
