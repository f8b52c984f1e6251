// Reads whole SSE streams one after another and times their first byte.
import { Agent, request } from "node:http";
import type { Load } from "./loads.ts";

/** One stream as a client saw it. Times count from just before the request was written. */
export interface StreamSample {
  readonly firstByteMs: number;
  readonly totalMs: number;
  /** Separate pieces in which content frames arrived. */
  readonly pieces: number;
}

export interface StreamTarget {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
}

const agents = new Map<string, Agent>();

function agentFor(url: string): Agent {
  const agent = agents.get(url) ?? new Agent({ keepAlive: true, maxSockets: 1 });
  agents.set(url, agent);
  return agent;
}

/** Closes the kept-alive connections of all targets. */
export function closeConnections(): void {
  for (const agent of agents.values()) agent.destroy();
  agents.clear();
}

/**
 * Sends `load` and reads the stream to its end.
 * Throws when the answer is not a 200 with exactly the content frames of the load, `[DONE]`, and
 * a usage frame if and only if the load asks for one; also after 10 s.
 */
export async function readStream(target: StreamTarget, load: Load): Promise<StreamSample> {
  const beganMs = performance.now();
  let firstByteMs = 0;
  let pieces = 0;
  const parts: Buffer[] = [];
  const status = await exchange(target, load, (part) => {
    if (parts.length === 0) firstByteMs = performance.now() - beganMs;
    parts.push(part);
    if (part.includes('"choices":[{')) pieces++;
  });
  const totalMs = performance.now() - beganMs;
  checkStream(status, Buffer.concat(parts).toString(), load);
  return { firstByteMs, totalMs, pieces };
}

function exchange(target: StreamTarget, load: Load, onPart: (part: Buffer) => void): Promise<number> {
  return new Promise((resolve, reject) => {
    const outgoing = request(
      target.url,
      {
        method: "POST",
        agent: agentFor(target.url),
        timeout: 10_000,
        headers: {
          ...target.headers,
          "content-type": "application/json",
          "interlock-session": "bench-stream",
          "content-length": Buffer.byteLength(load.body),
        },
      },
      (answer) => {
        answer.on("data", onPart);
        answer.on("end", () => resolve(answer.statusCode ?? 0));
        answer.on("error", reject);
      },
    );
    outgoing.on("timeout", () => outgoing.destroy(new Error("no answer within 10 s")));
    outgoing.on("error", reject);
    outgoing.end(load.body);
  });
}

function checkStream(status: number, text: string, load: Load): void {
  const frames = text.split('"choices":[{').length - 1;
  const usageFrames = text.split('"usage":{').length - 1;
  const wrong = [
    status === 200 ? "" : `status ${status}`,
    frames === load.frames ? "" : `${frames} of ${load.frames} frames`,
    text.includes("data: [DONE]") ? "" : "no [DONE]",
    usageFrames === (load.asksUsage ? 1 : 0) ? "" : `${usageFrames} usage frames`,
  ].filter((problem) => problem !== "");
  if (wrong.length > 0) throw new Error(`${load.name}: ${wrong.join(", ")}: ${text.slice(0, 200)}`);
}
