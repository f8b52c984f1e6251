// Child process that serves one build in Miniflare on a direct socket and reports the port.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { convertV4MiniflareOptions, Miniflare, type V4MiniflareOptions } from "miniflare";
import { interlockMiniflareOptions } from "../interlock.ts";
import { compatibilityDate } from "../machine/workerd.ts";
import type { Build } from "./target.ts";

const [role, text] = process.argv.slice(2);
if (text === undefined) throw new Error("usage: miniflare-host.ts bare|interlock <build as JSON>");
// NOTE: written by miniflare.ts, the only caller, so it is taken as well formed.
const build = JSON.parse(text) as Build;
const options: V4MiniflareOptions = role === "bare" ? bareOptions() : interlockMiniflareOptions(build);

const miniflare = new Miniflare(
  convertV4MiniflareOptions({
    ...options,
    host: "127.0.0.1",
    port: 0,
    unsafeDirectSockets: [{ host: "127.0.0.1", port: 0 }],
  }),
);
await miniflare.ready;
if (role === "interlock") await migrate();
const url = await miniflare.unsafeGetDirectURL();
process.stdout.write(`${JSON.stringify({ event: "listen", port: Number(url.port) })}\n`);
process.stdin.resume();
process.stdin.on("end", () => void miniflare.dispose().then(() => process.exit(0)));

function bareOptions(): V4MiniflareOptions {
  return {
    name: "bare",
    modules: true,
    script: readFileSync(build.entry, "utf8"),
    compatibilityDate,
    bindings: { UPSTREAM: build.upstream },
  };
}

/** Brings the simulated D1 up to date from the migrations kept beside the build, if there are any. */
async function migrate(): Promise<void> {
  const folder = path.join(path.dirname(build.entry), "..", "migrations");
  if (!existsSync(folder)) return;
  const database = await miniflare.getD1Database("DB");
  const files = readdirSync(folder).filter((name) => name.endsWith(".sql"));
  for (const file of files.toSorted()) {
    const sql = readFileSync(path.join(folder, file), "utf8");
    const statements = sql.split("--> statement-breakpoint").filter((part) => part.trim() !== "");
    for (const statement of statements) await database.prepare(statement).run();
  }
}
