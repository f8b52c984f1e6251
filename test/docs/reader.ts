// Does what a reader of the docs would do: runs a page's blocks one after another, in a folder of its own, with the variables and functions that earlier blocks left.
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { root } from "../../demo/local/bundles.ts";
import type { Block } from "./blocks.ts";

/** What a block did. */
export interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** The address that the docs write, and what stands in its place while they are tested. */
export interface Served {
  readonly url: string;
  readonly stateDir: string;
}

const WRITTEN_URL = "http://localhost:8787";
const LIMIT_MS = 60_000;
/** Never linked into a reader's folder: its own state, and what tools keep beside the sources. */
const NOT_LINKED = new Set([".state", ".wrangler", ".git", "dist"]);

/** One reader of one page. */
export class Reader {
  readonly folder = mkdtempSync(path.join(tmpdir(), "interlock-docs-"));
  readonly #served: Served;

  constructor(served: Served) {
    this.#served = served;
    for (const name of readdirSync(root)) {
      if (!NOT_LINKED.has(name)) symlinkSync(path.join(root, name), path.join(this.folder, name));
    }
    symlinkSync(served.stateDir, path.join(this.folder, ".state"));
    writeFileSync(this.#exports, "");
  }

  get #exports(): string {
    return path.join(this.folder, ".exports");
  }

  /** Writes a file that a page shows. */
  write(name: string, text: string): void {
    mkdirSync(path.dirname(path.join(this.folder, name)), { recursive: true });
    writeFileSync(path.join(this.folder, name), `${this.#asServed(text)}\n`);
  }

  /** Runs a shell or TypeScript block. */
  run(block: Block): Promise<Ran> {
    if (block.language === "ts") {
      this.write(`block-${block.line}.ts`, block.text);
      return this.#bash(`node block-${block.line}.ts`);
    }
    return this.#bash(this.#asServed(block.text));
  }

  #asServed(text: string): string {
    return text.replaceAll(WRITTEN_URL, this.#served.url);
  }

  #bash(script: string): Promise<Ran> {
    const whole = `set -euo pipefail\nsource .exports\n${script}\nexport -p > .exports\ndeclare -f >> .exports\n`;
    const child = spawn("bash", ["-c", whole], {
      cwd: this.folder,
      timeout: LIMIT_MS,
      stdio: ["ignore", "pipe", "pipe"],
      env: {
        ...process.env,
        PATH: `${path.join(root, "node_modules", ".bin")}:${process.env["PATH"] ?? ""}`,
        NO_COLOR: "1",
        CI: "1",
        WRANGLER_SEND_METRICS: "false",
        CLOUDFLARE_CF_FETCH_ENABLED: "false",
      },
    });
    let stdout = "";
    let stderr = "";
    child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString("utf8")));
    child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString("utf8")));
    return new Promise((resolve, reject) => {
      child.once("error", reject);
      child.once("close", (code) => resolve({ code, stdout, stderr }));
    });
  }
}
