// Runs the MCP conformance suite against an endpoint, and reads its verdict out of what it wrote.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

const PACKAGE = path.join(import.meta.dirname, "../../node_modules/@modelcontextprotocol/conformance");

/** A revision whose requirements are frozen. */
export type Revision = "2026-07-28" | "2025-11-25";

/** One check that a scenario made. */
export interface Check {
  readonly id: string;
  readonly status: string;
  readonly errorMessage?: string;
}

/** One scenario: passed when no check failed and one at least succeeded. */
export interface Scenario {
  readonly name: string;
  readonly isRequired: boolean;
  readonly passed: boolean;
  readonly checks: readonly Check[];
}

/** The verdict on one revision. The counts are of required scenarios. */
export interface Conformance {
  readonly passed: number;
  readonly failed: number;
  readonly scenarios: readonly Scenario[];
  /** What the suite's own command said: all required scenarios passed, or failed as expected. */
  readonly isAsExpected: boolean;
  /** Everything that failed, one line each, for the message of a failing test. */
  readonly failures: string;
  /** `MCP conformance <revision>: <passed>/<all> required scenarios`, and the rest. */
  readonly line: string;
}

/** What to run it on. */
export interface ConformanceRun {
  readonly url: string;
  readonly requirements: Revision;
  /** Scenarios, or `<scenario>:<check>`, that are known to fail: the run fails when they no longer do. */
  readonly expectedFailures?: readonly string[];
  /** Who is under test, for the line. */
  readonly subject?: string;
}

/** Names of the server scenarios that a revision requires, as the package lists them. */
export function requiredScenarios(revision: Revision): readonly string[] {
  const lines = readFileSync(path.join(PACKAGE, "requirements", `${revision}.yaml`), "utf8").split("\n");
  const start = lines.indexOf("server:");
  const end = lines.findIndex((line, index) => index > start && /^\S/.test(line) && !line.startsWith("#"));
  const names = lines.slice(start + 1, end).flatMap((line) => /^\s+- ([\w.-]+)/.exec(line)?.[1] ?? []);
  if (start === -1 || names.length < 20) throw new Error(`the requirements of ${revision} have another shape`);
  return names;
}

/** Runs every server scenario of a revision, required or not; prints the score. */
export async function runConformance(run: ConformanceRun): Promise<Conformance> {
  const folder = mkdtempSync(path.join(tmpdir(), "interlock-conformance-"));
  try {
    const args = ["server", "--url", run.url, "--requirements", run.requirements, "-o", path.join(folder, "out")];
    if (run.expectedFailures !== undefined) {
      const baseline = path.join(folder, "expected.yml");
      writeFileSync(baseline, JSON.stringify({ server: run.expectedFailures }));
      args.push("--expected-failures", baseline);
    }
    const cli = await runCli(args);
    const verdict = verdictOf(run, scenariosIn(path.join(folder, "out"), run.requirements), cli);
    console.log(verdict.line);
    return verdict;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

interface CliRun {
  readonly output: string;
  readonly exitCode: number | null;
}

async function runCli(args: readonly string[]): Promise<CliRun> {
  const child = spawn(process.execPath, [path.join(PACKAGE, "dist/index.js"), ...args], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (bytes: Buffer) => (output += String(bytes)));
  const stop = (): boolean => child.kill("SIGKILL");
  process.once("exit", stop);
  try {
    await once(child, "close");
  } finally {
    process.removeListener("exit", stop);
  }
  return { output, exitCode: child.exitCode };
}

function scenariosIn(folder: string, revision: Revision): readonly Scenario[] {
  const required = new Set(requiredScenarios(revision));
  return readdirSync(folder).map((entry) => {
    const name = entry.replace(/^server-/, "").replace(/-\d{4}-\d\d-\d\dT[\d-]+Z$/, "");
    // The suite's own format: an array of checks.
    const checks = JSON.parse(readFileSync(path.join(folder, entry, "checks.json"), "utf8")) as readonly Check[];
    const has = (status: string): boolean => checks.some((check) => check.status === status);
    return { name, isRequired: required.has(name), passed: has("SUCCESS") && !has("FAILURE"), checks };
  });
}

function verdictOf(run: ConformanceRun, scenarios: readonly Scenario[], { output, exitCode }: CliRun): Conformance {
  const missing = requiredScenarios(run.requirements).filter((name) => scenarios.every((each) => each.name !== name));
  if (missing.length > 0) throw new Error(`the suite did not run ${missing.join(", ")}:\n${output.slice(-4_000)}`);
  const count = (isRequired: boolean, passed: boolean): number =>
    scenarios.filter((each) => each.isRequired === isRequired && each.passed === passed).length;
  const [passed, failed, extra, extraFailed] = [
    count(true, true),
    count(true, false),
    count(false, true),
    count(false, false),
  ];
  const unscored = scenarios
    .filter((each) => !each.isRequired)
    .map(({ name, checks, passed: isPassed }) => {
      const good = checks.filter((check) => check.status === "SUCCESS").length;
      const bad = checks.filter((check) => check.status === "FAILURE").length;
      return `  ${isPassed ? "passed" : "failed"} ${name} ${good}/${good + bad} checks`;
    });
  const failures = scenarios.flatMap((each) =>
    each.checks
      .filter((check) => each.isRequired && check.status === "FAILURE")
      .map((check) => `${each.name}:${check.id}: ${check.errorMessage ?? ""}`),
  );
  return {
    passed,
    failed,
    scenarios,
    isAsExpected: exitCode === 0,
    failures: failures.join("\n"),
    line: [
      `MCP conformance ${run.requirements}${run.subject === undefined ? "" : ` (${run.subject})`}: ` +
        `${passed}/${passed + failed} required scenarios; not scored: ${extra}/${extra + extraFailed}`,
      ...unscored,
    ].join("\n"),
  };
}
