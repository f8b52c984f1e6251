// Finds the fenced blocks of a page, and the mark that says what the tests do with each.
import path from "node:path";

/** What the tests do with a block. */
type Mark =
  /** Runs, exits with 0, and prints each of the texts. */
  | { readonly kind: "run"; readonly prints: readonly string[] }
  /** Is written to a file of this name and checked as a config document. */
  | { readonly kind: "config"; readonly file: string }
  /** Is written to a file of this name, for another program, and read as its ending says. */
  | { readonly kind: "file"; readonly file: string }
  /** Is a part of what the block before printed. */
  | { readonly kind: "answer" }
  /** Is what the tour prints. */
  | { readonly kind: "tour" }
  | { readonly kind: "skip"; readonly reason: string };

/** One fenced block. */
export interface Block {
  readonly page: string;
  readonly line: number;
  readonly language: string;
  readonly text: string;
  readonly mark: Mark | undefined;
}

/** Languages that are pictures or plain output: they need no mark. */
const PLAIN = new Set(["text", "mermaid"]);

/** Whether a block must be run, checked or excused. */
export function needsMark(block: Block): boolean {
  return !PLAIN.has(block.language);
}

/** The fenced blocks of a page, in order. The mark is an HTML comment on the line before, `<!-- test: … -->`. */
export function blocksOf(page: string, markdown: string): readonly Block[] {
  const blocks: Block[] = [];
  const lines = markdown.split("\n");
  let open: { readonly line: number; readonly language: string; readonly mark: Mark | undefined } | undefined;
  let content: string[] = [];
  for (const [at, line] of lines.entries()) {
    const fence = /^\s*```(\S*)\s*$/.exec(line);
    if (fence === null) {
      content.push(line);
    } else if (open === undefined) {
      const before = lines.slice(0, at).findLast((each) => each.trim() !== "") ?? "";
      open = { line: at + 1, language: fence[1] ?? "", mark: markOf(before, `${page}:${at}`) };
      content = [];
    } else {
      blocks.push({ page, ...open, text: content.join("\n") });
      open = undefined;
    }
  }
  if (open !== undefined) throw new Error(`${page}:${open.line}: the block is never closed`);
  return blocks;
}

function markOf(line: string, where: string): Mark | undefined {
  const text = /^<!-- test: (.*) -->$/.exec(line.trim())?.[1];
  if (text === undefined) return undefined;
  const [first = "", ...rest] = text.split("; ");
  if (first === "run") return { kind: "run", prints: rest.map((each) => printed(each, where)) };
  if (first === "answer" || first === "tour") return { kind: first };
  if (first.startsWith("config ")) return { kind: "config", file: first.slice("config ".length) };
  if (first.startsWith("file ")) return { kind: "file", file: first.slice("file ".length) };
  if (first.startsWith("skip, ") && first.length > 12) return { kind: "skip", reason: text.slice("skip, ".length) };
  throw new Error(`${where}: no such mark: ${text}`);
}

function printed(part: string, where: string): string {
  if (!part.startsWith("prints ")) throw new Error(`${where}: expected "prints …", got "${part}"`);
  return part.slice("prints ".length);
}

/** Relative targets of a page's links and pictures, resolved against the page, without their fragments. */
export function linksOf(page: string, markdown: string): readonly string[] {
  const prose = markdown.replaceAll(/^\s*```[\s\S]*?^\s*```\s*$/gm, "").replaceAll(/`[^`\n]*`/g, "");
  return [...prose.matchAll(/\]\(([^()\s]+)\)/g)]
    .map((match) => match[1] ?? "")
    .filter((target) => !/^[a-z]+:/.test(target) && !target.startsWith("#"))
    .map((target) => path.join(path.dirname(page), target.replace(/#.*$/, "")));
}
