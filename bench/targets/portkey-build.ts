// Installs the pinned Portkey package and rebuilds its Worker form from the published Node build.
import { spawn } from "node:child_process";
import { copyFile, mkdir, readFile, stat } from "node:fs/promises";
import path from "node:path";
import { build, type Plugin } from "esbuild";
import { own } from "../machine/children.ts";

const installDirectory = path.join(import.meta.dirname, "..", ".cache", "portkey");
const packageDirectory = path.join(installDirectory, "node_modules", "@portkey-ai", "gateway");
const serverEntry = path.join(packageDirectory, "build", "start-server.js");
const installTimeoutMs = 90_000;

export const portkeyVersion = "1.15.2";

/** The Node build as published; started with `--port` and `--headless`. */
export const portkeyNodeEntry = serverEntry;

/**
 * Makes the pinned install present under `bench/.cache/portkey`, from the committed lock file.
 * Does nothing when the right version is already there. Throws when npm fails or takes over 90 s.
 */
export async function installPortkey(): Promise<void> {
  if ((await installedVersion()) === portkeyVersion) return;
  await mkdir(installDirectory, { recursive: true });
  const pinned = path.join(import.meta.dirname, "..", "portkey");
  for (const file of ["package.json", "package-lock.json"]) {
    await copyFile(path.join(pinned, file), path.join(installDirectory, file));
  }
  await runNpmCi();
  const version = await installedVersion();
  if (version !== portkeyVersion) {
    throw new Error(`npm ci left Portkey at ${version ?? "nothing"}, wanted ${portkeyVersion}`);
  }
}

async function installedVersion(): Promise<string | undefined> {
  try {
    const manifest: unknown = JSON.parse(await readFile(path.join(packageDirectory, "package.json"), "utf8"));
    const hasVersion = typeof manifest === "object" && manifest !== null && "version" in manifest;
    return hasVersion ? String(manifest.version) : undefined;
  } catch {
    return undefined;
  }
}

async function runNpmCi(): Promise<void> {
  const nodeDirectory = path.dirname(process.execPath);
  const child = spawn("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund"], {
    cwd: installDirectory,
    env: npmEnvironment(nodeDirectory),
    stdio: ["ignore", "pipe", "pipe"],
    timeout: installTimeoutMs,
  });
  own(child);
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (output += chunk.toString()));
  await new Promise<void>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => {
      if (code === 0) resolve();
      else reject(new Error(`npm ci for Portkey ended with ${code}: ${output.slice(-400)}`));
    });
  });
}

/** The caller's environment without what an outer `npm run` says about *its* package. */
function npmEnvironment(nodeDirectory: string): NodeJS.ProcessEnv {
  const environment: NodeJS.ProcessEnv = {};
  for (const [name, value] of Object.entries(process.env)) {
    if (/^npm_(package|lifecycle)_|^npm_config_(local_)?prefix$/.test(name)) continue;
    environment[name] = value;
  }
  environment["PATH"] = `${nodeDirectory}${path.delimiter}${process.env["PATH"] ?? ""}`;
  return environment;
}

/**
 * Bundles the Worker form to `outfile` and answers its size in bytes.
 *
 * The npm tarball holds one file: the app of their `src/index.ts` followed by the Node start-up
 * code of `src/start-server.ts`. Their deployed Worker is that app as default export, so the
 * start-up code is cut off and the app is exported. Modules only the Node part calls become stubs.
 */
export async function bundlePortkeyWorker(outfile: string): Promise<number> {
  await build({
    entryPoints: [serverEntry],
    outfile,
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2024",
    conditions: ["workerd", "worker", "browser"],
    external: ["node:*"],
    legalComments: "none",
    logLevel: "error",
    plugins: [exportApp, resolveNodeModules],
  });
  return (await stat(outfile)).size;
}

const exportApp: Plugin = {
  name: "export-app",
  setup(pluginBuild) {
    pluginBuild.onLoad({ filter: /start-server\.js$/ }, async ({ path: file }) => ({
      contents: cutStartUp(await readFile(file, "utf8")),
      loader: "js",
    }));
  },
};

function cutStartUp(source: string): string {
  const served = /\{fetch:(\w+)\.fetch,port:/.exec(source);
  const startUp = /;const \w+=process\.argv\.slice\(2\)/.exec(source);
  if (served === null || startUp === null) {
    throw new Error("the published Portkey build no longer looks as expected");
  }
  return `${source.slice(0, startUp.index)};export default ${served[1]};`;
}

const nodeOnlyModules = /^(@hono\/node-server|@hono\/node-ws|ioredis|ws|https|path|fs|fs\/promises|url)$/;
const builtIns = /^(buffer|crypto|events|stream|util|zlib)$/;

const resolveNodeModules: Plugin = {
  name: "resolve-node-modules",
  setup(pluginBuild) {
    pluginBuild.onResolve({ filter: builtIns }, ({ path: name }) => ({
      path: `node:${name}`,
      external: true,
    }));
    pluginBuild.onResolve({ filter: nodeOnlyModules }, ({ path: name }) => ({
      path: name,
      namespace: "stub",
    }));
    pluginBuild.onLoad({ filter: /.*/, namespace: "stub" }, () => ({
      contents: "module.exports = {};",
      loader: "js",
    }));
  },
};
