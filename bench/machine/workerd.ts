// Writes workerd configuration text and serves it with the pinned workerd binary.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { buildSync } from "esbuild";
import { type Core, start, type Started } from "./children.ts";

const projectDirectory = path.join(import.meta.dirname, "..", "..");
const workerdBinary = path.join(projectDirectory, "node_modules", "workerd", "bin", "workerd");

export const compatibilityDate = "2026-10-01";

/** One module of a Worker: its name as importers see it, and the file it is read from. */
export interface WorkerModule {
  readonly name: string;
  readonly file: string;
  readonly kind: "esModule" | "text" | "data" | "wasm";
}

/** Capnp text of a Worker's code: its modules, date and flags. */
export function workerCode(
  modules: readonly WorkerModule[],
  flags: readonly string[] = [],
  date: string = compatibilityDate,
): string {
  const list = modules.map(({ name, kind, file }) => `(name = ${quote(name)}, ${kind} = embed ${quote(file)})`);
  return `modules = [${list.join(", ")}],
    compatibilityDate = ${quote(date)},
    compatibilityFlags = [${flags.map(quote).join(", ")}],`;
}

/** A capnp string literal. */
export function quote(text: string): string {
  return JSON.stringify(text);
}

/** Every file under a build folder as a module, the entry first. Source maps are left out. */
export function modulesOf(entry: string): readonly WorkerModule[] {
  const folder = path.dirname(entry);
  const names = readdirSync(folder, { recursive: true, encoding: "utf8" });
  const others = names.filter((name) => kindOf(name) !== undefined && name !== path.basename(entry));
  return [path.basename(entry), ...others.toSorted()].map((name) => ({
    name,
    file: path.resolve(folder, name),
    kind: kindOf(name) ?? "esModule",
  }));
}

function kindOf(name: string): WorkerModule["kind"] | undefined {
  const extension = path.extname(name);
  if (extension === ".js" || extension === ".mjs") return "esModule";
  if ([".sql", ".txt", ".html", ".css"].includes(extension)) return "text";
  if (extension === ".wasm") return "wasm";
  return extension === ".bin" ? "data" : undefined;
}

/** Compiles one of the bench's own Workers to plain JavaScript in `folder`. */
export function compileWorker(name: string, folder: string): WorkerModule {
  const file = path.join(folder, `${name}.js`);
  buildSync({
    entryPoints: [path.join(import.meta.dirname, "..", "workers", `${name}.ts`)],
    outfile: file,
    format: "esm",
    target: "es2024",
    logLevel: "error",
  });
  return { name: "index.js", file, kind: "esModule" };
}

/** Outbound network of every Worker here: loopback only, so a run can reach nobody else. */
const loopbackOnly = `(name = "internet", network = (allow = ["local"]))`;

/**
 * Serves `services` (capnp list items) with the one named `main` on a free loopback port.
 * The folder gets the configuration; files are named by absolute path.
 */
export async function serveWorkerd(
  folder: string,
  services: readonly string[],
  core: Core = "gateway",
): Promise<Started> {
  mkdirSync(folder, { recursive: true });
  const file = path.join(folder, "config.capnp");
  writeFileSync(
    file,
    `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    ${[loopbackOnly, ...services].join(",\n    ")}
  ],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")],
);
`,
  );
  return start([workerdBinary, "serve", "--control-fd=3", "--import-path=/", file, "config"], {
    core,
    reportsOn: "fd3",
  });
}

/** Version of the workerd package that is being run. */
export function workerdVersion(): string {
  const file = path.join(projectDirectory, "node_modules", "workerd", "package.json");
  const manifest: unknown = JSON.parse(readFileSync(file, "utf8"));
  return typeof manifest === "object" && manifest !== null && "version" in manifest
    ? String(manifest.version)
    : "unknown";
}
