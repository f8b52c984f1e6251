// Lists the house rules as checks: format, lint, types, structure, unused code, bundle size, unit and workerd tests.
import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { root } from "./installed.mjs";

/** The bundle may be at most this large, gzipped: a fifth of it is the price table and the CEL engine, a sixth the official MCP server and client, a tenth each dialect and OpenAI's client. */
const MAX_BUNDLE_KIB = 960;
/** The structure check must have seen at least this many modules. */
const MIN_MODULES = 100;

/** Runs every check of `npm run check` into a count. */
export async function runChecks(count) {
  const started = Date.now();
  // The workerd tests take one runtime and most of the time: everything else goes beside them.
  await Promise.all([count.tests("workerd tests", ["--project", "workerd"]), besides(count)]);
  console.log(`checked in ${((Date.now() - started) / 1000).toFixed(1)} s`);
}

async function besides(count) {
  await staticChecks(count);
  await builds(count);
  await count.tests("unit tests", ["--project", "unit"]);
}

async function staticChecks(count) {
  await count.step("format", "oxfmt", ["--check", "."]);
  await count.step("lint", "oxlint", ["--type-aware"]);
  for (const project of [
    "tsconfig.json",
    "tsconfig.node.json",
    "test/workerd/tsconfig.json",
    "bench/search/tsconfig.json",
  ])
    await count.step(`types ${project}`, "tsc", ["-p", project]);
  await count.step("unused code", "knip", []);
}

async function builds(count) {
  await count.step("structure", "depcruise", ["src", "durable-objects"], (output) => {
    const modules = Number(/\((\d+) modules/.exec(output)?.[1] ?? 0);
    return modules >= MIN_MODULES ? undefined : `saw only ${modules} modules`;
  });
  await count.step(
    "bundle (wrangler deploy --dry-run)",
    "wrangler",
    ["deploy", "--dry-run", "--outdir", "dist/check"],
    () => {
      const kib = gzipSync(readFileSync(`${root}dist/check/index.js`)).byteLength / 1024;
      console.log(`       bundle ${kib.toFixed(1)} KiB gzipped, of ${MAX_BUNDLE_KIB}`);
      return kib <= MAX_BUNDLE_KIB ? undefined : `the bundle is ${kib.toFixed(1)} KiB gzipped`;
    },
  );
}
