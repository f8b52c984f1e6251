// Times the first byte of streams at c=1: ours and the provider's own by turns, so that both meet the same machine.
import { Agent, request } from "node:http";
import { chatPath, type Target } from "../targets/target.ts";
import { type SurfaceCall, surfaceCalls } from "./cells.ts";
import type { SurfaceSamples } from "./report.ts";

const streams = 12;

/** Adds a sample per stream call: the first bytes of both ways in one round. */
export async function measureFirstBytes(
  round: number,
  targets: readonly Target[],
  samples: SurfaceSamples,
): Promise<void> {
  const direct = targets.find(({ name }) => name === "direct");
  const ours = targets.find(({ name }) => name.startsWith("interlock"));
  if (direct === undefined || ours === undefined) return;
  const agent = new Agent({ keepAlive: true });
  for (const call of surfaceCalls.filter(({ isStream }) => isStream)) {
    const times: { readonly direct: number[]; readonly ours: number[] } = { direct: [], ours: [] };
    // NOTE: the first of each opens its connection, which is not what is timed.
    for (let at = 0; at <= streams; at++) {
      const [theirs, own] = [await firstByte(direct, call, agent), await firstByte(ours, call, agent)];
      if (at === 0) continue;
      times.direct.push(theirs);
      times.ours.push(own);
    }
    samples.firstByte.push({ round, call: call.name, ...times });
  }
  agent.destroy();
}

function firstByte({ url, headers }: Target, { path, body }: SurfaceCall, agent: Agent): Promise<number> {
  return new Promise((resolve, reject) => {
    const beganMs = performance.now();
    let firstMs = 0;
    const outgoing = request(
      url.slice(0, -chatPath.length) + path,
      {
        method: "POST",
        agent,
        timeout: 10_000,
        headers: {
          ...headers,
          "content-type": "application/json",
          "interlock-session": "bench-stream",
          "content-length": Buffer.byteLength(body),
        },
      },
      (answer) => {
        answer.on("data", () => (firstMs = firstMs === 0 ? performance.now() - beganMs : firstMs));
        answer.on("end", () => resolve(firstMs));
        answer.on("error", reject);
      },
    );
    outgoing.on("timeout", () => outgoing.destroy(new Error("no answer within 10 s")));
    outgoing.on("error", reject);
    outgoing.end(body);
  });
}
