// Puts load on one target: with wrk where it is installed, else with the generator of this folder.
import { spawn, spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { own } from "../machine/children.ts";
import { sessionIds } from "./loads.ts";

export interface LoadRequest {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly connections: number;
  readonly seconds: number;
}

/** What one spell of load saw. `bytes` counts what came back, heads included. */
export interface LoadResult {
  readonly requests: number;
  readonly seconds: number;
  readonly failures: number;
  readonly bytes: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export type GeneratorName = "wrk" | "raw-socket";

/** wrk when it can be run, else the raw-socket generator of this folder. */
export function chooseGenerator(): GeneratorName {
  return spawnSync("wrk", ["-v"]).error === undefined ? "wrk" : "raw-socket";
}

/** Version line of wrk, or what stands in for it. */
export function generatorVersion(name: GeneratorName): string {
  if (name === "raw-socket") return `raw-socket generator on Node ${process.version}`;
  return spawnSync("wrk", ["-v"]).stdout.toString().split(" Copyright")[0] ?? "wrk";
}

/** Runs one spell. Throws when the generator fails or overstays its time by 8 s. */
export async function generateLoad(
  generator: GeneratorName,
  request: LoadRequest,
  scratch: string,
): Promise<LoadResult> {
  const file = path.join(scratch, generator === "wrk" ? "load.lua" : "load.json");
  writeFileSync(file, generator === "wrk" ? luaScript(request) : JSON.stringify(request));
  const command = generator === "wrk" ? wrkCommand(request, file) : rawSocketCommand(file);
  const output = await outputOf(command, (request.seconds + 8) * 1000);
  const line = output.split("\n").find((text) => text.startsWith("{"));
  if (line === undefined) throw new Error(`${generator} said nothing usable: ${output.slice(-300)}`);
  return JSON.parse(line) as LoadResult;
}

function wrkCommand(request: LoadRequest, script: string): readonly string[] {
  const { connections, seconds, url } = request;
  return ["wrk", "-t1", `-c${connections}`, `-d${seconds}s`, "--timeout", "5s", "-s", script, url];
}

function rawSocketCommand(file: string): readonly string[] {
  return [process.execPath, path.join(import.meta.dirname, "raw-socket.ts"), file];
}

/** Every session's request is built once, so that rotating them costs the generator nothing. */
function luaScript({ headers, body }: LoadRequest): string {
  const lines = Object.entries({ ...headers, "Content-Type": "application/json" }).map(
    ([name, value]) => `wrk.headers[${luaString(name)}] = ${luaString(value)}`,
  );
  return `wrk.method = "POST"
wrk.body = ${luaString(body)}
${lines.join("\n")}
local sessions = { ${sessionIds.map(luaString).join(", ")} }
local requests, at = {}, 0
function init()
  for i, session in ipairs(sessions) do
    wrk.headers["Interlock-Session"] = session
    requests[i] = wrk.format()
  end
end
function request()
  at = at % #requests + 1
  return requests[at]
end
function done(summary, latency)
  local e = summary.errors
  io.write(string.format(
    '\\n{"requests":%d,"seconds":%.6f,"failures":%d,"bytes":%d,"p50Ms":%.4f,"p99Ms":%.4f}\\n',
    summary.requests, summary.duration / 1e6, e.status + e.connect + e.read + e.write + e.timeout,
    summary.bytes, latency:percentile(50) / 1000, latency:percentile(99) / 1000))
end
`;
}

function luaString(text: string): string {
  const escaped = text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
  return `"${escaped}"`;
}

function outputOf(command: readonly string[], timeoutMs: number): Promise<string> {
  const [program, ...args] = command;
  if (program === undefined) throw new Error("no generator");
  const child = spawn(program, args, {
    stdio: ["ignore", "pipe", "pipe"],
    timeout: timeoutMs,
    killSignal: "SIGKILL",
  });
  own(child);
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (output += chunk.toString()));
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => {
      if (code === 0) resolve(output);
      else reject(new Error(`${program} ended with ${code}: ${output.slice(-300)}`));
    });
  });
}
