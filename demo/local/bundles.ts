// Builds the two Workers' bundles, and only when their sources changed.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { buildUpstream } from "../upstream/build.mjs";

/** The project's root folder. */
export const root = fileURLToPath(new URL("../..", import.meta.url));

/** The built Workers. */
export interface Bundles {
  readonly gateway: string;
  readonly upstream: string;
}

/** Builds what changed and answers where the bundles are. Throws with the builder's output when a build fails. */
export async function buildBundles(): Promise<Bundles> {
  const dist = path.join(root, "dist");
  const bundles: Bundles = { gateway: path.join(dist, "index.js"), upstream: path.join(dist, "upstream.js") };
  const marker = path.join(dist, ".sources");
  const sources = digestOfSources();
  const isCurrent =
    existsSync(marker) &&
    readFileSync(marker, "utf8") === sources &&
    existsSync(bundles.gateway) &&
    existsSync(bundles.upstream);
  if (isCurrent) return bundles;
  mkdirSync(dist, { recursive: true });
  const built = spawnSync("wrangler", ["deploy", "--dry-run", "--outdir", dist], {
    cwd: root,
    encoding: "utf8",
    env: { ...process.env, CI: "1" },
  });
  if (built.status !== 0) throw new Error(`the gateway did not build:\n${built.stdout}\n${built.stderr}`);
  await buildUpstream(bundles.upstream);
  writeFileSync(marker, sources);
  return bundles;
}

function digestOfSources(): string {
  const hash = createHash("sha256");
  for (const folder of ["src", "durable-objects", "demo/upstream"]) {
    const files = readdirSync(path.join(root, folder), { recursive: true, withFileTypes: true }).filter((entry) =>
      entry.isFile(),
    );
    for (const file of files.map((entry) => path.join(entry.parentPath, entry.name)).toSorted())
      hash.update(file).update(readFileSync(file));
  }
  for (const file of ["wrangler.toml", "package-lock.json"]) hash.update(readFileSync(path.join(root, file)));
  return hash.digest("hex");
}
