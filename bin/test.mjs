// `npm test`: installs what is missing and runs everything that CI runs.
import { runChecks } from "./checks.mjs";
import { ensureInstalled } from "./installed.mjs";
import { Count } from "./steps.mjs";

ensureInstalled();
const count = new Count();
await runChecks(count);
// The one computes, the other waits for alarms: together they take little longer than either.
await Promise.all([
  count.tests("long unit tests", ["--project", "unit-long"]),
  count.tests("long workerd tests", ["--project", "workerd-long"]),
]);
await count.tests("end-to-end tests", ["--project", "e2e"]);
count.close();
