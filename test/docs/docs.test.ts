// Reads the docs as a newcomer would: runs their blocks against a real local gateway, follows their links, and compares what is generated.
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parse } from "yaml";
import { root } from "../../demo/local/bundles.ts";
import { startLocal, type LocalGateway } from "../../demo/local/gateway.ts";
import { seed, type DemoKeys } from "../../demo/local/seed.ts";
import { tour } from "../../demo/local/tour.ts";
import { blocksOf, linksOf, needsMark, type Block } from "./blocks.ts";
import { readClientFile } from "./client-file.ts";
import { configReference } from "./config-reference.ts";
import { errorsPage } from "./errors-page.ts";
import { Reader, type Ran } from "./reader.ts";
import { departure } from "./shown-answer.ts";

const TOP_LEVEL = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "bench/README.md"];
const pages = [...TOP_LEVEL, ...markdownUnder("docs")];
/** Pages whose every block is run, checked or excused. */
const followed = pages.filter((page) => page === "README.md" || /^docs\/(guides|runbooks)\//.test(page));
const blocks = new Map(followed.map((page) => [page, blocksOf(page, read(page))]));

function markdownUnder(folder: string): readonly string[] {
  return readdirSync(path.join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".md"))
    .map((name) => `${folder}/${name}`)
    .toSorted();
}

function read(page: string): string {
  return readFileSync(path.join(root, page), "utf8");
}

describe("generated pages", () => {
  test.each([
    ["docs/errors.md", errorsPage],
    ["docs/config-reference.md", configReference],
  ])("%s is current", (page, write) => {
    const file = path.join(root, page);
    if (process.env["UPDATE_DOCS"] === "1") writeFileSync(file, write());
    expect(read(page), "run UPDATE_DOCS=1 npx vitest run --project e2e test/docs").toBe(write());
  });
});

describe("links", () => {
  test("every relative link leads somewhere", () => {
    const links = pages.flatMap((page) => linksOf(page, read(page)).map((target) => ({ page, target })));
    expect(links.length).toBeGreaterThan(40);
    expect(links.filter(({ target }) => !existsSync(path.join(root, target)))).toEqual([]);
  });

  test("every page of docs/ is reached from the README", () => {
    const seen = new Set<string>();
    const waiting = ["README.md"];
    for (let page = waiting.pop(); page !== undefined; page = waiting.pop()) {
      if (seen.has(page) || !page.endsWith(".md")) continue;
      seen.add(page);
      waiting.push(...linksOf(page, read(page)));
    }
    expect(pages.filter((page) => !seen.has(page))).toEqual([]);
  });
});

describe("blocks", () => {
  let stateDir: string;
  let gateway: LocalGateway;
  let keys: DemoKeys;
  const folders: string[] = [];

  beforeAll(async () => {
    stateDir = mkdtempSync(path.join(tmpdir(), "interlock-docs-state-"));
    gateway = await startLocal({ port: 0, stateDir, vars: { ROOT_TENANT: "demo" }, onLog: () => undefined });
    keys = await seed(gateway, stateDir);
  });

  afterAll(async () => {
    await gateway?.stop();
    for (const folder of [stateDir, ...folders]) rmSync(folder, { recursive: true, force: true });
  });

  test("every block is run, checked, or excused with a reason", () => {
    const all = [...blocks.values()].flat();
    const unmarked = all.filter((block) => needsMark(block) && block.mark === undefined);
    expect(unmarked.map(({ page, line, language }) => `${page}:${line} ${language}`)).toEqual([]);
    expect(followed.length).toBeGreaterThanOrEqual(5);
    expect(all.filter((block) => block.mark?.kind === "run").length).toBeGreaterThanOrEqual(20);
    expect(all.filter((block) => block.mark !== undefined && block.mark.kind !== "skip").length).toBeGreaterThanOrEqual(
      25,
    );
  });

  test.each(followed)("%s does what it says", { timeout: 180_000 }, async (page) => {
    const reader = new Reader({ url: gateway.url, stateDir });
    folders.push(reader.folder);
    let last: Ran | undefined;
    for (const block of blocks.get(page) ?? []) last = await follow(reader, block, last);
  });

  async function follow(reader: Reader, block: Block, last: Ran | undefined): Promise<Ran | undefined> {
    const where = `${block.page}:${block.line}`;
    switch (block.mark?.kind) {
      case "run":
        return runs(reader, block, block.mark.prints);
      case "config":
        reader.write(block.mark.file, block.text);
        await isConfig(where, block.text);
        return last;
      case "file":
        reader.write(block.mark.file, block.text);
        expect(readClientFile(reader.folder, block.mark.file, block.text), where).toBeTypeOf("object");
        return last;
      case "answer":
        expect(departure(JSON.parse(block.text), JSON.parse(last?.stdout ?? "null"), where)).toBeUndefined();
        return last;
      case "tour":
        await isTour(where, block.text);
        return last;
      case "skip":
      case undefined:
        return last;
      default:
        return block.mark satisfies never;
    }
  }

  async function runs(reader: Reader, block: Block, prints: readonly string[]): Promise<Ran> {
    const ran = await reader.run(block);
    const whole = `${block.page}:${block.line} exited with ${ran.code}\n${ran.stdout}\n${ran.stderr}`;
    expect(ran.code, whole).toBe(0);
    for (const text of prints) expect(ran.stdout, whole).toContain(text);
    return ran;
  }

  /** A config block is complete up to the secrets it names, which a reader stores later. */
  async function isConfig(where: string, text: string): Promise<void> {
    const response = await fetch(`${gateway.url}/v1/config/check`, {
      method: "POST",
      headers: { authorization: `Bearer ${keys.admin}`, "interlock-tenant": keys.tenant },
      body: JSON.stringify(parse(text)),
    });
    const { errors = [] } = (await response.json()) as { readonly errors?: readonly { readonly message: string }[] };
    expect(
      errors.filter(({ message }) => !message.startsWith("no stored secret")),
      where,
    ).toEqual([]);
  }

  async function isTour(where: string, text: string): Promise<void> {
    const lines: string[] = [];
    await tour(keys, (line) => lines.push(line));
    expect(steady(text), where).toBe(steady(lines.join("\n")));
  }
});

/** A tour's output without what changes from one to the next: ids, ports and the money left. */
function steady(text: string): string {
  return text
    .trim()
    .replaceAll(/tour-[a-z0-9]+/g, "tour-…")
    .replaceAll(/re_[0-9a-f]{8,}/g, "re_…")
    .replaceAll(/tr_[0-9a-f]{32}/g, "tr_…")
    .replaceAll(/\$1\.99\d+/g, "$1.99…")
    .replaceAll(/http:\/\/localhost:\d+/g, "http://localhost");
}
