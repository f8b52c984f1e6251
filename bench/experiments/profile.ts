import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { startInterlock, seedOrStop, bundleEntry } from "../interlock.ts";
import { chooseGenerator, generateLoad } from "../load/generator.ts";
import { loads } from "../load/loads.ts";
import { pinSelf, start, stopAll, stopAllOnExit, stopTree } from "../machine/children.ts";
const load = (process.argv[2] ?? "small") as keyof typeof loads;
const folder = `/dev/shm/prof-${process.pid}`; mkdirSync(folder, { recursive: true });
async function main(): Promise<void> {
  const { port: up } = await start([process.execPath, path.join(import.meta.dirname, "..", "load", "mock-upstream.ts")], { core: "load", reportsOn: "stdout" });
  const upstream = `http://127.0.0.1:${up}`;
  const t = await startInterlock({ name: "x", entry: process.env["ENTRY"] ?? bundleEntry, folder, upstream });
  stopTree(t.pid); await new Promise((r) => setTimeout(r, 500)); (await import("node:fs")).rmSync(folder + "/durable-objects", { recursive: true }); mkdirSync(folder + "/durable-objects");
  const w = await start([path.resolve("node_modules/workerd/bin/workerd"), "serve", "--control-fd=3", "--import-path=/", "-i127.0.0.1:9339", `${folder}/config.capnp`, "config"], { core: "gateway", reportsOn: "fd3" });
  const base = `http://127.0.0.1:${w.port}`;
  const headers = await seedOrStop(base, upstream, w.pid);
  const list = await (await fetch("http://127.0.0.1:9339/json")).json() as { webSocketDebuggerUrl: string; title: string; id: string }[];
  console.log(list.map((x) => x.title + " " + x.id));
  const target = list.find((x) => (x.title + x.id).includes("main")) ?? list[0];
  const ws = new WebSocket(target!.webSocketDebuggerUrl); await new Promise((r) => ws.addEventListener("open", r));
  let id = 0; const pend = new Map<number, (v: unknown) => void>();
  ws.addEventListener("message", (e) => { const m = JSON.parse(String(e.data)); if (m.id) pend.get(m.id)?.(m.result); });
  const send = (method: string, params = {}): Promise<any> => new Promise((r) => { id += 1; pend.set(id, r); ws.send(JSON.stringify({ id, method, params })); });
  const go = (s: number) => generateLoad(chooseGenerator(), { url: base + "/v1/chat/completions", headers, body: loads[load].body, connections: 32, seconds: s }, folder);
  await go(2);
  await send("Profiler.enable"); await send("Profiler.setSamplingInterval", { interval: 200 }); await send("Profiler.start");
  const r = await go(4);
  const { profile } = await send("Profiler.stop");
  writeFileSync("/tmp/prof.cpuprofile", JSON.stringify(profile));
  const self = new Map<string, number>(); const dt = profile.timeDeltas; const byId = new Map(profile.nodes.map((n: any) => [n.id, n]));
  profile.samples.forEach((s: number, i: number) => { const n: any = byId.get(s); const k = `${n.callFrame.functionName || "(anon)"} ${n.callFrame.url.split("/").pop()}:${n.callFrame.lineNumber}`; self.set(k, (self.get(k) ?? 0) + dt[i]); });
  const total = [...self.values()].reduce((a, b) => a + b, 0);
  console.log("requests", r.requests, "rps", r.requests / r.seconds, "fail", r.failures);
  for (const [k, v] of [...self].sort((a, b) => b[1] - a[1]).slice(0, 45)) console.log((v / r.requests).toFixed(1).padStart(8), "us/req", (100 * v / total).toFixed(1) + "%", k);
  ws.close();
}
stopAllOnExit(); pinSelf();
try { await main(); } finally { stopAll(); }
