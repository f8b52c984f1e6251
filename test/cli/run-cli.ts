// Runs the CLI as a child process, as a shell would.
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

const MAIN = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));

/** What a run wrote and how it ended. */
export interface CliRun {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Where and with what a run happens. */
export interface CliSetting {
  readonly cwd: string;
  /** Environment besides PATH; nothing of the caller's own leaks in. */
  readonly env: Readonly<Record<string, string>>;
  readonly input?: string | Uint8Array;
}

/** Runs `interlock <args>` and answers when it has ended. */
export async function runCli(args: readonly string[], setting: CliSetting): Promise<CliRun> {
  const child = spawn(process.execPath, [MAIN, ...args], {
    cwd: setting.cwd,
    env: { PATH: process.env["PATH"] ?? "", ...setting.env },
  });
  const written = { stdout: "", stderr: "" };
  child.stdout.setEncoding("utf8").on("data", (text: string) => (written.stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (written.stderr += text));
  child.stdin.on("error", () => undefined);
  child.stdin.end(setting.input ?? "");
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  return { code, ...written };
}
