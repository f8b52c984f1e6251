// Runs Portkey's gateway as peer: its Worker form on workerd, and its Node build.
import { statSync } from "node:fs";
import path from "node:path";
import { start } from "../machine/children.ts";
import { quote, serveWorkerd, workerCode } from "../machine/workerd.ts";
import { bundlePortkeyWorker, installPortkey, portkeyNodeEntry, portkeyVersion } from "./portkey-build.ts";
import { chatPath, clientHeaders, plainLoads, type Target } from "./target.ts";

// NOTE: date, flag and variables are those of the wrangler.toml they deploy with.
const portkeyDate = "2024-12-05";

function portkeyHeaders(upstream: string): Readonly<Record<string, string>> {
  return {
    ...clientHeaders,
    "x-portkey-provider": "openai",
    "x-portkey-custom-host": `${upstream}/v1`,
  };
}

/** Portkey as a Worker under bare workerd: no cache, guardrail, retry or log sink switched on. */
export async function startPortkeyWorker(upstream: string, scratch: string): Promise<Target> {
  await installPortkey();
  const folder = path.join(scratch, "portkey-workerd");
  const file = path.join(folder, "index.js");
  const bytes = await bundlePortkeyWorker(file);
  const code = workerCode([{ name: "index.js", file, kind: "esModule" }], ["nodejs_compat"], portkeyDate);
  const service = `(name = "main", worker = (
    ${code}
    bindings = [
      (name = "ENVIRONMENT", text = "dev"),
      (name = "CUSTOM_HEADERS_TO_IGNORE", json = ${quote("[]")}),
    ],
  ))`;
  const { pid, port } = await serveWorkerd(folder, [service]);
  return {
    name: "portkey-workerd",
    url: `http://127.0.0.1:${port}${chatPath}`,
    headers: portkeyHeaders(upstream),
    pid,
    what: `Portkey ${portkeyVersion} rebuilt as Worker (${kib(bytes)}), bare workerd, nothing switched on`,
    loads: plainLoads,
  };
}

/** Portkey's published Node build, kept on loopback by a preload. */
export async function startPortkeyNode(upstream: string): Promise<Target> {
  await installPortkey();
  const preload = path.join(import.meta.dirname, "..", "portkey", "loopback.cjs");
  const { pid, port } = await start(
    [process.execPath, "--require", preload, portkeyNodeEntry, "--port=0", "--headless"],
    { core: "gateway", reportsOn: "fd3", env: { NODE_ENV: "production" } },
  );
  return {
    name: "portkey-node",
    url: `http://127.0.0.1:${port}${chatPath}`,
    headers: portkeyHeaders(upstream),
    pid,
    what: `Portkey ${portkeyVersion} as published (${kib(statSync(portkeyNodeEntry).size)}), Node ${process.version}`,
    loads: plainLoads,
  };
}

function kib(bytes: number): string {
  return `${Math.round(bytes / 1024)} KiB`;
}
