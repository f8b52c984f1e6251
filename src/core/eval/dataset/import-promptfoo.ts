// Decides what a test case of promptfoo means here, as far as it maps, and names what does not.
import * as z from "zod/mini";
import type { Mistake } from "../../errors.ts";
import { mistakesOf } from "../../config/mistakes.ts";
import type { Json, JsonObject } from "../../json/canonical.ts";
import type { CaseLabels } from "../case.ts";
import { plainDraft, type Drafted } from "./import-forms.ts";

const json = z.custom<Json>((value) => value !== undefined, "expected a JSON value");
const TestDocument = z.strictObject({
  description: z.optional(z.string().check(z.maxLength(256))),
  vars: z.record(
    z.string(),
    z.union([z.string(), z.number(), z.boolean()], "expected a text or a number: lists make many test cases of one"),
  ),
  assert: z.optional(z.array(z.strictObject({ type: z.string(), value: z.optional(json) }))),
});

/** A place in a prompt that a variable fills. */
const PLACE = /\{\{\s*([A-Za-z_]\w*)\s*\}\}/g;

/**
 * A test case of promptfoo, `{vars, assert, description}` (promptfoo.dev/docs/configuration/expected-outputs). Prompts
 * stand elsewhere in promptfoo: `prompt` is one, with `{{name}}` for variables; without it the only variable is the
 * user's message. Assertions that map: `equals` (a text: the reference; any other value: the JSON answer), `contains`,
 * `icontains` and their `-all` forms (texts that the answer contains; case does not count here), `llm-rubric`. Every
 * other assertion, a second of a kind that stands for itself, files, filters and weights are refused by their names.
 */
export function readPromptfooTest(value: JsonObject, prompt: string | null): Drafted {
  const parsed = TestDocument.safeParse(value);
  if (!parsed.success) return { ok: false, mistakes: mistakesOf(parsed.error.issues, TEST_FIELDS) };
  const { vars, assert = [], description } = parsed.data;
  const message = messageOf(vars, prompt);
  const labels = labelsOf(assert);
  const files = Object.entries(vars).flatMap(([name, text]) =>
    String(text).startsWith("file://")
      ? [{ path: `vars.${name}`, message: "expected the text itself, not a file" }]
      : [],
  );
  const mistakes = [...files, ...message.mistakes, ...labels.mistakes];
  if (mistakes.length > 0) return { ok: false, mistakes };
  const tags = description === undefined || description === "" ? [] : [description];
  return { ok: true, draft: plainDraft([{ role: "user", content: message.text }], labels.labels, tags) };
}

const TEST_FIELDS = Object.keys(TestDocument.shape);

type Vars = Readonly<Record<string, string | number | boolean>>;

function messageOf(
  vars: Vars,
  prompt: string | null,
): { readonly text: string; readonly mistakes: readonly Mistake[] } {
  if (prompt === null) {
    const [only, ...others] = Object.values(vars);
    if (only !== undefined && others.length === 0) return { text: String(only), mistakes: [] };
    return {
      text: "",
      mistakes: [{ path: "vars", message: "expected one variable, or a prompt that says where each stands" }],
    };
  }
  const mistakes: Mistake[] = [];
  const text = prompt.replaceAll(PLACE, (place, name: string) => {
    if (Object.hasOwn(vars, name)) return String(vars[name]);
    mistakes.push({ path: `vars.${name}`, message: "is missing: the prompt has a place for it" });
    return place;
  });
  if (/\{[{%]/.test(prompt.replaceAll(PLACE, "")))
    mistakes.push({ path: "prompt", message: "expected no filters or statements, only `{{name}}`" });
  return { text, mistakes };
}

interface Assertion {
  readonly type: string;
  readonly value?: Json | undefined;
}

function labelsOf(assertions: readonly Assertion[]): {
  readonly labels: CaseLabels;
  readonly mistakes: readonly Mistake[];
} {
  let labels: CaseLabels = {};
  const mistakes: Mistake[] = [];
  for (const [at, assertion] of assertions.entries()) {
    const label = labelOf(assertion);
    const path = `assert.${at}`;
    if (typeof label === "string") {
      mistakes.push({
        path: `${path}.${assertion.type === "" || label === UNMAPPED ? "type" : "value"}`,
        message: named(label, assertion),
      });
      continue;
    }
    const contains = [...(labels.contains ?? []), ...(label.contains ?? [])];
    const twice = Object.keys(label).find((key) => key !== "contains" && key in labels);
    if (twice !== undefined) mistakes.push({ path: `${path}.type`, message: `a case has one \`${twice}\`` });
    labels = { ...labels, ...label, ...(contains.length === 0 ? {} : { contains }) };
  }
  return { labels, mistakes };
}

const UNMAPPED = "unmapped";

function named(label: string, { type }: Assertion): string {
  return label === UNMAPPED ? `\`${type}\` has no counterpart here` : label;
}

/** The label that an assertion comes to, or why there is none. */
function labelOf({ type, value }: Assertion): CaseLabels | string {
  const reader = Object.hasOwn(READERS, type) ? READERS[type] : undefined;
  return reader === undefined ? UNMAPPED : reader(value);
}

const containsOne = (value: Json | undefined): CaseLabels | string =>
  isText(value) ? { contains: [value] } : "expected a text";
const containsAll = (value: Json | undefined): CaseLabels | string =>
  isTexts(value) ? { contains: value } : "expected a list of texts";

const READERS: Readonly<Record<string, (value: Json | undefined) => CaseLabels | string>> = {
  equals: (value) => {
    if (value === undefined || value === "") return "expected what the answer equals";
    return typeof value === "string" ? { reference: value } : { json: value };
  },
  contains: containsOne,
  icontains: containsOne,
  "contains-all": containsAll,
  "icontains-all": containsAll,
  "llm-rubric": (value) => (isText(value) ? { rubric: value } : "expected the rubric's text"),
};

function isText(value: Json | undefined): value is string {
  return typeof value === "string" && value !== "";
}

function isTexts(value: Json | undefined): value is readonly string[] {
  return Array.isArray(value) && value.length > 0 && value.every(isText);
}
