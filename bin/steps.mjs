// Runs named checks, prints what each took, and counts what passed: the one runner behind `npm run check` and `npm test`.
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { childEnv, root } from "./installed.mjs";

/** Runs a command; answers its exit code, its output, and the seconds it took. */
export function run(command, args) {
  const started = Date.now();
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd: root,
      env: { ...childEnv(), NO_COLOR: "1" },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (output += chunk));
    child.on("error", (error) => resolve({ code: 1, output: String(error), seconds: 0 }));
    child.on("exit", (code) => resolve({ code: code ?? 1, output, seconds: (Date.now() - started) / 1000 }));
  });
}

/** A running count of what passed and failed. */
export class Count {
  passed = 0;
  failed = 0;

  /** Runs one check; `verify` may find fault with the output of a command that exited 0. */
  async step(name, command, args, verify = () => undefined) {
    const { code, output, seconds } = await run(command, args);
    const fault = code === 0 ? verify(output) : `exit code ${code}`;
    const isOk = fault === undefined;
    if (isOk) this.passed += 1;
    else this.failed += 1;
    console.log(
      `${isOk ? "ok    " : "FAILED"} ${name} (${seconds.toFixed(1)} s)${isOk ? "" : `: ${fault}\n${output}`}`,
    );
    return isOk;
  }

  /** Runs vitest projects and counts their tests; a run without tests is a failure. */
  async tests(name, args) {
    const folder = mkdtempSync(path.join(tmpdir(), "interlock-tests-"));
    const report = path.join(folder, "report.json");
    const { code, output, seconds } = await run("vitest", [
      "run",
      ...args,
      "--reporter=default",
      "--reporter=json",
      `--outputFile.json=${report}`,
    ]);
    const { numPassedTests = 0, numFailedTests = 0 } = existsSync(report)
      ? JSON.parse(readFileSync(report, "utf8"))
      : {};
    rmSync(folder, { recursive: true, force: true });
    const isBroken = code !== 0 && numFailedTests === 0;
    this.passed += numPassedTests;
    this.failed += numFailedTests + (isBroken || numPassedTests === 0 ? 1 : 0);
    console.log(output.trimEnd());
    console.log(
      `${code === 0 ? "ok    " : "FAILED"} ${name}: ${numPassedTests} passed, ${numFailedTests} failed (${seconds.toFixed(1)} s)`,
    );
  }

  /** Prints the closing line and sets the exit code. */
  close() {
    console.log(`${this.passed} passed, ${this.failed} failed`);
    process.exitCode = this.failed === 0 ? 0 : 1;
  }
}
