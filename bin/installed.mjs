// Installs the pinned dependencies when they are missing or another lock file was installed; plain Node 20, nothing imported from the registry.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** The project's root folder. */
export const root = fileURLToPath(new URL("..", import.meta.url));

/** The pinned Node that everything else runs on. */
export const pinnedNode = `${root}node_modules/.bin/node`;

/** Makes `node_modules` match `package-lock.json`. */
export function ensureInstalled() {
  const lock = createHash("sha256")
    .update(readFileSync(`${root}package-lock.json`))
    .digest("hex");
  const marker = `${root}node_modules/.installed-lock`;
  if (existsSync(pinnedNode) && existsSync(marker) && readFileSync(marker, "utf8") === lock) return;
  console.error("installing dependencies (npm ci) …");
  const done = spawnSync("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"], {
    cwd: root,
    stdio: ["ignore", 2, 2],
  });
  if (done.status !== 0) {
    console.error("npm ci failed; the messages above say why");
    process.exit(done.status ?? 1);
  }
  writeFileSync(marker, lock);
}

/** The environment of everything that is started: the pinned Node first, nothing reported to anyone. */
export function childEnv() {
  return {
    ...process.env,
    PATH: `${root}node_modules/.bin:${process.env.PATH ?? ""}`,
    WRANGLER_SEND_METRICS: "false",
    CLOUDFLARE_CF_FETCH_ENABLED: "false",
  };
}
