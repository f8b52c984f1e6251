import { mkdirSync, writeFileSync, rmSync } from "node:fs";
import path from "node:path";
import { chooseGenerator, generateLoad } from "../load/generator.ts";
import { loads } from "../load/loads.ts";
import { ownScratchFolder, pinSelf, start, stopAll, stopAllOnExit } from "../machine/children.ts";
import { ticksOnceQuiet, tickUs, treeTicks } from "../machine/cpu.ts";
import { quote, serveWorkerd, workerCode } from "../machine/workerd.ts";
import { median } from "../report/summary.ts";
const OBJ = `export class O extends DurableObject { n=0; a(x){this.n++; return {type:"admitted",seq:this.n,units:10,held:{usd:1,tokens:2,calls:1},remainingUsd:5}} s(x,y){this.n--; return {type:"settled"}} fetch(r){return new Response("ok")} }`;
const BIG = `{holdId:"aaaaaaaaaaaaaaaa",scopes:{session:{usd:1e8,tokens:1e7,calls:1e6},task:null},want:{fixed:{usd:100,tokens:300,calls:1,tool_calls:0,tool_usd:0},unitPico:600000,unitTokens:1,minUnits:1,maxUnits:256},expiresAt:1795453151986,ref:{tenant:"demo",session:"s12",actor:"support_agent_v4",traceHex:"a".repeat(32),spanId:"b".repeat(16),subject:"demo",policyVersion:"v1-aaaaaaaaaaaa"}}`;
const pass = `fetch(env.UPSTREAM+"/v1/chat/completions",{method:"POST",headers:{"content-type":"application/json",authorization:"Bearer x"},body:t})`;
const mk = (body: string): string => `import {DurableObject} from "cloudflare:workers"; ${OBJ}
let c=0; export default { async fetch(request, env, ctx) { const id="s"+(c++%64); ${body} } }`;
const ways: Record<string, [string, string[]]> = {
  bare: [`export class O{}; export default { fetch(r, env){ const u=new URL(r.url); return fetch(new Request(env.UPSTREAM+u.pathname, r)); } }`.replace("export class O{}", `import {DurableObject} from "cloudflare:workers"; ${OBJ}`), []],
  text: [mk(`const t=await request.text(); const r=await ${pass}; const b=await r.arrayBuffer(); return new Response(b,{headers:{"content-type":"application/json"}})`), []],
  rpc1: [mk(`const t=await request.text(); await env.O.getByName(id).a(1); const r=await ${pass}; const b=await r.arrayBuffer(); return new Response(b)`), []],
  rpc1big: [mk(`const t=await request.text(); await env.O.getByName(id).a(${BIG}); const r=await ${pass}; const b=await r.arrayBuffer(); return new Response(b)`), []],
  rpc1json: [mk(`const t=await request.text(); JSON.parse(JSON.stringify(await env.O.getByName(id).a(JSON.stringify(${BIG})))); const r=await ${pass}; const b=await r.arrayBuffer(); return new Response(b)`), []],
  rpc2: [mk(`const t=await request.text(); const o=env.O.getByName(id); await o.a(${BIG}); const r=await ${pass}; const b=await r.arrayBuffer(); ctx.waitUntil(o.s("x",{usd:1})); return new Response(b)`), []],
  rpc2fresh: [mk(`const t=await request.text(); await env.O.getByName(id).a(${BIG}); const r=await ${pass}; const b=await r.arrayBuffer(); ctx.waitUntil(env.O.getByName(id).s("x",{usd:1})); return new Response(b)`), []],
  timers: [mk(`const t=await request.text(); const ac=new AbortController(); const a=setTimeout(()=>ac.abort(),60000); const bb=setTimeout(()=>ac.abort(),600000); const r=await ${pass.replace("body:t", "body:t,signal:ac.signal")}; const b=await r.arrayBuffer(); clearTimeout(a); clearTimeout(bb); return new Response(b)`), []],
  reqsignal: [mk(`const t=await request.text(); request.signal.addEventListener("abort",()=>{},{once:true}); const r=await ${pass}; const b=await r.arrayBuffer(); return new Response(b)`), ["enable_request_signal"]],
  wait1: [mk(`const t=await request.text(); const r=await ${pass}; const b=await r.arrayBuffer(); ctx.waitUntil(Promise.resolve()); return new Response(b)`), []],
  dofetch: [mk(`const t=await request.text(); await env.O.getByName(id).fetch("http://o/",{method:"POST",body:JSON.stringify(${BIG})}); const r=await ${pass}; const b=await r.arrayBuffer(); return new Response(b)`), []],
};
const only = process.argv[2]?.split(",");
const folder = ownScratchFolder(path.join(import.meta.dirname, "..", ".cache", `probe-${process.pid}`));
async function main(): Promise<void> {
  mkdirSync(folder, { recursive: true });
  const { port } = await start([process.execPath, path.join(import.meta.dirname, "..", "load", "mock-upstream.ts")], { core: "load", reportsOn: "stdout" });
  const served = [];
  for (const [name, [src, flags]] of Object.entries(ways)) {
    if (only && name !== "bare" && !only.includes(name)) continue;
    const f = path.join("/dev/shm", `probe-${process.pid}`, name); mkdirSync(path.join(f, "do"), { recursive: true });
    writeFileSync(path.join(f, "index.js"), src);
    const w = await serveWorkerd(f, [`(name="main", worker=(${workerCode([{ name: "index.js", file: path.join(f, "index.js"), kind: "esModule" }], flags)} bindings=[(name="UPSTREAM",text=${quote(`http://127.0.0.1:${port}`)}),(name="O",durableObjectNamespace="O")], durableObjectNamespaces=[(className="O",uniqueKey="o",enableSql=true)], durableObjectStorage=(localDisk="disk")))`, `(name="disk",disk=(path=${quote(path.join(f, "do"))},writable=true))`]);
    served.push({ name, pid: w.pid, url: `http://127.0.0.1:${w.port}/v1/chat/completions` });
  }
  const rows: Record<string, number[]> = {}; const rps: Record<string, number[]> = {};
  for (let round = 0; round < 4; round++) {
    let bare = 1, bareR = 1;
    for (const s of served) {
      const before = treeTicks(s.pid);
      const r = await generateLoad(chooseGenerator(), { url: s.url, headers: {}, body: loads.small.body, connections: 32, seconds: round === 0 ? 1 : 2 }, folder);
      const us = ((await ticksOnceQuiet(s.pid)) - before) * tickUs / r.requests;
      if (s.name === "bare") { bare = us; bareR = r.requests / r.seconds; }
      if (round > 0) { (rows[s.name] ??= []).push(us / bare); (rps[s.name] ??= []).push(r.requests / r.seconds / bareR); }
      if (round === 1) console.log(s.name, us.toFixed(0), (r.requests / r.seconds).toFixed(0), r.failures);
    }
  }
  for (const [n, v] of Object.entries(rows)) console.log(n.padEnd(12), "cpu", median(v).toFixed(2), "rps", median(rps[n] ?? []).toFixed(2));
  rmSync(path.join("/dev/shm", `probe-${process.pid}`), { recursive: true, force: true });
}
stopAllOnExit(); pinSelf();
try { await main(); } finally { stopAll(); }
