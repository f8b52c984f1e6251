// `npm test`: installs what is missing and runs everything that CI runs.
import { runChecks } from "./checks.mjs";
import { ensureInstalled } from "./installed.mjs";
import { Count } from "./steps.mjs";

ensureInstalled();
const count = new Count();
await runChecks(count);
// The first computes, the second waits for alarms, the others for processes: together they take little longer than any.
const killed = ["audit", "evals", "people", "traces"].map((name) => `test/e2e/kill-${name}.test.ts`);
await Promise.all([
  count.tests("long unit tests", ["--project", "unit-long"]),
  count.tests("long workerd tests", ["--project", "workerd-long"]),
  count.tests("documents and commands", ["--project", "e2e", "test/docs", "test/cli"]),
  count.tests("kill -9 and restart", ["--project", "e2e", ...killed]),
]);
const rest = killed.flatMap((file) => ["--exclude", file]);
await count.tests("end-to-end tests", ["--project", "e2e", "test/e2e", "test/demo", ...rest]);
count.close();
