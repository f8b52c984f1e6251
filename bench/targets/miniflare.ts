// Starts a build inside Miniflare, in a process of its own, reached without Miniflare's entry Worker.
import path from "node:path";
import { seedOrStop } from "../interlock.ts";
import { start } from "../machine/children.ts";
import { allLoads, type Build, chatPath, clientHeaders, type Target } from "./target.ts";

export type MiniflareRole = "bare" | "interlock";

/** Serves `build` with every binding simulated; seeds it first when it is our gateway. */
export async function startInMiniflare(role: MiniflareRole, build: Build): Promise<Target> {
  const host = path.join(import.meta.dirname, "miniflare-host.ts");
  const started = await start([process.execPath, host, role, JSON.stringify(build)], {
    core: "gateway",
    reportsOn: "stdout",
    env: { WRANGLER_SEND_METRICS: "false", CLOUDFLARE_CF_FETCH_ENABLED: "false" },
  });
  const base = `http://127.0.0.1:${started.port}`;
  const headers = role === "bare" ? clientHeaders : await seedOrStop(base, build.upstream, started.pid);
  return {
    name: build.name,
    url: base + chatPath,
    headers,
    pid: started.pid,
    what: `${role} in Miniflare, direct socket, all bindings simulated; CPU includes Miniflare's Node`,
    loads: allLoads,
  };
}
