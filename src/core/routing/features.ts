// Decides which figures routing rules see of a request: counts and signs, never its text.
import type { ToolEntry } from "../config/document.ts";
import type { FeaturesEntry } from "../config/routing-document.ts";
import { amountOf, minorUnits } from "../policy/built-in.ts";
import { complexityOf } from "./complexity.ts";
import type { RequestFeatures } from "./figures.ts";
import type { RequestView } from "./request-view.ts";

/** The figures of a request. O(length), and of long texts only the beginning is looked at closely. */
export function featuresOf(view: RequestView, tools: Readonly<Record<string, ToolEntry>>): RequestFeatures {
  const byName = toolsByOfferedName(tools);
  const offered = view.tools.map((name) => byName.get(name));
  const asked = view.texts
    .filter(({ by }) => by === "user" || by === "tool")
    .map(({ text }) => text.slice(0, MAX_LOOK));
  const last = view.texts.findLast(({ by }) => by === "user")?.text.slice(0, MAX_LOOK) ?? "";
  const amounts = view.calls.flatMap(({ name, args }) => {
    const tool = byName.get(name);
    return tool?.amount === undefined ? [] : [minorUnits(amountOf(tool, args), "up")];
  });
  const figures = {
    input_tokens: view.texts.reduce((sum, { text }) => sum + tokensIn(text), 0),
    turns: view.turns,
    tool_results: view.toolResults,
    tools: offered.length,
    write_tools: offered.filter((tool) => tool !== undefined && tool.effect !== "read").length,
    irreversible_tools: offered.filter((tool) => tool?.effect === "irreversible").length,
    unknown_tools: offered.filter((tool) => tool === undefined).length,
    ...(amounts.length === 0 ? {} : { max_amount_minor: Math.max(...amounts) }),
    media: view.media,
    has_code: asked.some(hasCode),
    has_maths: asked.some((text) => MATHS.test(text)),
    has_structure: view.wantsSchema || asked.some(hasTable),
    reasoning: view.wantsReasoning,
    questions: last.match(QUESTION)?.length ?? 0,
    steps: last.match(LIST_ITEM)?.length ?? 0,
    ...(view.maxOutput === undefined ? {} : { max_output: view.maxOutput }),
  };
  return { ...figures, complexity: complexityOf(figures).score };
}

/** What a request without anything shows. */
const NOTHING: Omit<RequestFeatures, "complexity"> = {
  input_tokens: 0,
  turns: 0,
  tool_results: 0,
  tools: 0,
  write_tools: 0,
  irreversible_tools: 0,
  unknown_tools: 0,
  media: 0,
  has_code: false,
  has_maths: false,
  has_structure: false,
  reasoning: false,
  questions: 0,
  steps: 0,
};

/** Figures with some of them stated, over those of a request where there is one; the score follows from all. */
export function withFeatures(known: RequestFeatures | undefined, stated: FeaturesEntry): RequestFeatures {
  const said = Object.fromEntries(Object.entries(stated).filter(([, value]) => value !== undefined));
  const figures: Omit<RequestFeatures, "complexity"> = { ...NOTHING, ...known, ...said };
  return { ...figures, complexity: complexityOf(figures).score };
}

/** Of each text, so many characters are looked at: what a call asks stands at its beginning. */
const MAX_LOOK = 16_384;

/** Tools by every name under which providers let them be offered: dots become underscores. */
function toolsByOfferedName(tools: Readonly<Record<string, ToolEntry>>): ReadonlyMap<string, ToolEntry> {
  const entries = Object.entries(tools);
  const spelled = (as: string): readonly (readonly [string, ToolEntry])[] =>
    entries.map(([name, tool]) => [name.replaceAll(/[^A-Za-z0-9_-]/g, as), tool]);
  return new Map([...spelled("__"), ...spelled("_"), ...entries]);
}

/** Characters that are looked at to tell how dense a text is. */
const SAMPLE = 4_096;

/** About four letters of Latin script make a token, about two of other alphabets, and a sign of Han or Kana is one. */
function tokensIn(text: string): number {
  const sample = text.length <= SAMPLE ? text : text.slice(0, SAMPLE);
  let tokens = 0;
  for (let at = 0; at < sample.length; at += 1) {
    const code = sample.charCodeAt(at);
    tokens += code < 0x80 ? 0.25 : code < 0x2e80 ? 0.5 : 1;
  }
  return Math.ceil(sample.length === 0 ? 0 : (tokens * text.length) / sample.length);
}

const QUESTION = /[?？؟՞፧⁇⁈]/g;
const LIST_ITEM = /^[ \t]{0,12}(?:[-*•‣·]|\d{1,3}[.)、．]|[a-zA-Zа-яА-Я][.)])[ \t\u3000]?\S/gm;
const MATHS =
  /[∑∏∫√∂∇≤≥≠≈∞∈∀∃∝⊂∪∩±÷]|\\(?:frac|sum|int|sqrt|lim|begin|cdot|partial)\b|\$\$|\b[a-z] ?\^ ?[\dn]|\d ?[*^×] ?\d|\d [-+/] \d|\b[xyzn] ?= ?-?\d/i;

/** Lines of code end as few sentences of any language do. */
const CODE_ENDS = [";", "{", "}", "=>", "):", "->", "*/"];
const CODE_LINES = 3;

function hasCode(text: string): boolean {
  if (text.includes("```")) return true;
  const lines = text.split("\n", 1_000).map((line) => line.trimEnd());
  return lines.filter((line) => CODE_ENDS.some((end) => line.endsWith(end))).length >= CODE_LINES;
}

function hasTable(text: string): boolean {
  const rows = text
    .split("\n", 1_000)
    .filter((line) => line.split("|", 3).length === 3 || line.split("\t", 3).length === 3);
  return rows.length >= 2;
}
