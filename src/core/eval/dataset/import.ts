// Decides which cases a JSONL text holds, and how cases read as one: each mistake with its line and field.
import { mistakesOf } from "../../config/mistakes.ts";
import { codecOf } from "../../dialect/registry.ts";
import type { Mistake } from "../../errors.ts";
import { type JsonObject, objectIn } from "../../json/canonical.ts";
import { recordedConversation } from "../../trace/recorded-model.ts";
import type { EvalCase } from "../case.ts";
import { CaseDocument } from "./case-document.ts";
import { bytesOf, caseId, fitsCase, MAX_CASE_BYTES } from "./case-identity.ts";
import { governedTool } from "./governed-tool.ts";
import { readEvalsSample, readShort, type Draft, type Drafted } from "./import-forms.ts";
import { readPromptfooTest } from "./import-promptfoo.ts";
import { maskedCase, telltaleIds, type MaskText } from "./mask-case.ts";

/** What lines are: cases of ours, whole or in the short form, or another tool's. */
export const IMPORT_FORMATS = ["cases", "openai_evals", "promptfoo"] as const;
/** One of them. */
export type ImportFormat = (typeof IMPORT_FORMATS)[number];

/** Cases of one import at most. */
export const MAX_IMPORTED = 20_000;
/** Mistakes that are told at most. */
const MAX_MISTAKES = 100;

/** What an import needs besides the text. */
export interface ImportAround {
  readonly format: ImportFormat;
  /** Names of the config's tools. */
  readonly tools: readonly string[];
  readonly mask: MaskText;
  /** Epoch milliseconds that stand as the time of a case that says none. */
  readonly now: number;
  /** The prompt that promptfoo's variables fill; `null` where the only one is the message itself. */
  readonly prompt: string | null;
}

/** One mistake; the line counts from 1. */
export interface ImportMistake extends Mistake {
  readonly line: number;
}

/** What an import came to: the cases of all lines without a mistake, in order, masked, and the first 100 mistakes. */
export interface Imported {
  readonly cases: readonly EvalCase[];
  readonly mistakes: readonly ImportMistake[];
}

/**
 * The cases of a JSONL text; empty lines are none. A line is a mistake that is no JSON object, has a field that is
 * unknown or wrong, is larger than 1 MiB, holds what cannot be masked, has an id that tells who somebody is, holds a
 * request that its dialect does not know, or is the same case as a line before. Ids that are not given are of the masked
 * content. Reading stops after 20,000 cases with a mistake.
 */
export function importCases(text: string, around: ImportAround): Imported {
  const cases = new Map<string, EvalCase>();
  const lines = new Map<string, number>();
  const mistakes: ImportMistake[] = [];
  const texts = text.replace(/^\uFEFF/, "").split("\n");
  for (const [at, each] of texts.entries()) {
    const line = at + 1;
    if (each.trim() === "") continue;
    if (mistakes.length >= MAX_MISTAKES) break;
    if (cases.size >= MAX_IMPORTED) {
      mistakes.push({ line, path: "", message: `expected at most ${MAX_IMPORTED} cases` });
      break;
    }
    const read = readLine(each, around);
    const known = read.ok ? lines.get(read.value.id) : undefined;
    if (!read.ok) mistakes.push(...read.mistakes.map((mistake) => ({ line, ...mistake })));
    else if (known !== undefined) mistakes.push({ line, path: "id", message: `is the case of line ${known}` });
    else {
      cases.set(read.value.id, read.value);
      lines.set(read.value.id, line);
    }
  }
  return { cases: [...cases.values()], mistakes: mistakes.slice(0, MAX_MISTAKES) };
}

/** Cases as JSONL: one a line, each line ended. What comes out goes in again and is the same. */
export function exportCases(cases: readonly EvalCase[]): string {
  return cases.map((each) => `${JSON.stringify(each)}\n`).join("");
}

type Read =
  | { readonly ok: true; readonly value: EvalCase }
  | { readonly ok: false; readonly mistakes: readonly Mistake[] };

function wrong(path: string, message: string): Read {
  return { ok: false, mistakes: [{ path, message }] };
}

function readLine(text: string, around: ImportAround): Read {
  if (bytesOf(text) > MAX_CASE_BYTES) return wrong("", "expected at most 1 MiB");
  const value = objectIn(text);
  if (value === undefined) return wrong("", "expected a JSON object");
  const isWhole = around.format === "cases" && "calls" in value;
  const read = isWhole ? readCase(value) : fromDraft(draftOf(value, around), around);
  if (!read.ok) return read;
  const unreadable = requestMistakes(read.value, isWhole);
  if (unreadable.length > 0) return { ok: false, mistakes: unreadable };
  return asStored(read.value, around.mask, isWhole);
}

/** A value as a case of ours, as it is stored and exported. */
export function readCase(value: unknown): Read {
  const parsed = CaseDocument.safeParse(value);
  if (!parsed.success) return { ok: false, mistakes: mistakesOf(parsed.error.issues, CASE_FIELDS) };
  const { injection, tools } = parsed.data;
  if (injection !== null && injection.at >= tools.length)
    return wrong("injection.at", "expected the index of one of its tools");
  return { ok: true, value: parsed.data };
}

const CASE_FIELDS = Object.keys(CaseDocument.shape);

function draftOf(value: JsonObject, { format, prompt }: ImportAround): Drafted {
  switch (format) {
    case "cases":
      return readShort(value);
    case "openai_evals":
      return readEvalsSample(value);
    case "promptfoo":
      return readPromptfooTest(value, prompt);
    default:
      return format satisfies never;
  }
}

function fromDraft(drafted: Drafted, { tools, now }: ImportAround): Read {
  if (!drafted.ok) return drafted;
  const { draft } = drafted;
  return {
    ok: true,
    value: {
      id: draft.id ?? "",
      cluster: draft.cluster ?? "",
      source: null,
      tags: draft.tags,
      risk: draft.risk,
      labels: draft.labels,
      injection: null,
      outcome: null,
      calls: [callOf(draft, now)],
      tools: draft.tools.map((tool) => ({ ...tool, tool: governedTool(tool.name, tools) })),
      asks: [],
    },
  };
}

function callOf({ request }: Draft, now: number): EvalCase["calls"][number] {
  return {
    dialect: "chat",
    request,
    reply: null,
    at: now,
    duration_ms: 0,
    cost_micro_usd: 0,
    input_tokens: 0,
    output_tokens: 0,
  };
}

/**
 * What is wrong with requests in their dialects. A short form is held against every rule of chat completions; a case of
 * ours was recorded, masked, and need only be readable.
 */
function requestMistakes({ calls }: EvalCase, isWhole: boolean): readonly Mistake[] {
  return calls.flatMap(({ dialect, request }, at) => {
    if (isWhole) {
      const turns = recordedConversation(JSON.stringify(request), dialect)?.turns ?? [];
      return turns.length > 0 ? [] : [{ path: `calls.${at}.request`, message: `expected a request of \`${dialect}\`` }];
    }
    const fields = { model: "", isStream: false, wantsUsage: true, maxOutput: undefined, choices: 1 };
    const read = codecOf(dialect).readRequest(request, fields);
    return read.ok ? [] : (read.mistakes ?? [{ path: "messages", message: read.detail }]);
  });
}

/** The case as it may be kept: masked, with an id, small enough. */
function asStored(item: EvalCase, mask: MaskText, isWhole: boolean): Read {
  let masked: EvalCase;
  try {
    masked = maskedCase(item, mask);
  } catch {
    return wrong("", "could not be masked");
  }
  const id = masked.id === "" ? caseId(masked) : masked.id;
  const named = { ...masked, id, cluster: masked.cluster === "" ? id : masked.cluster };
  const telltale = telltaleIds(named);
  if (telltale.length > 0) return { ok: false, mistakes: telltale };
  if (!fitsCase(named)) return wrong("", "expected at most 1 MiB");
  // What was masked keeps its shape: a case of ours is held against the document again, as it came.
  return isWhole ? readCase(named) : { ok: true, value: named };
}
