// Bundles the demo upstream Worker into one ES module.
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

/** Writes the bundle to `outfile`. The `cloudflare:` modules stay imports; the runtime has them. */
export async function buildUpstream(outfile) {
  await build({
    entryPoints: [fileURLToPath(new URL("index.ts", import.meta.url))],
    outfile,
    bundle: true,
    format: "esm",
    target: "es2024",
    conditions: ["workerd", "worker"],
    external: ["cloudflare:*"],
    legalComments: "none",
    logLevel: "warning",
  });
}
