// Decides what the forms that people write cases in mean: our short form, a sample of OpenAI's Evals, a test case of promptfoo.
import * as z from "zod/mini";
import type { Mistake } from "../../errors.ts";
import { mistakesOf } from "../../config/mistakes.ts";
import { isJsonObject, type Json, type JsonObject } from "../../json/canonical.ts";
import { RISKS, type CaseLabels, type CaseTool, type Risk } from "../case.ts";
import { CaseIdDocument, LabelsDocument, TagsDocument } from "./case-document.ts";

/** A case as a form tells it: a chat request and what is known besides. */
export interface Draft {
  readonly id: string | null;
  readonly request: JsonObject;
  readonly tools: readonly Omit<CaseTool, "tool">[];
  readonly labels: CaseLabels;
  readonly tags: readonly string[];
  readonly risk: Risk;
  readonly cluster: string | null;
}

/** What a form means, or every mistake in it. */
export type Drafted =
  | { readonly ok: true; readonly draft: Draft }
  | { readonly ok: false; readonly mistakes: readonly Mistake[] };

const json = z.custom<Json>((value) => value !== undefined, "expected a JSON value");
const object = z.custom<JsonObject>(isJsonObject, "expected an object");
const messages = z
  .array(z.looseObject({ role: z.enum(["system", "developer", "user", "assistant", "tool"]) }))
  .check(z.minLength(1, "expected at least one message"));

const ShortDocument = z.strictObject({
  id: z.optional(CaseIdDocument),
  messages,
  tools: z.optional(z.array(object)),
  system: z.optional(z.string()),
  tool_outputs: z.optional(
    z.array(
      z.strictObject({
        name: z.string().check(z.minLength(1), z.maxLength(195)),
        args: object,
        result: json,
        is_error: z._default(z.boolean(), false),
      }),
    ),
  ),
  expected: z.optional(LabelsDocument),
  tags: z.optional(TagsDocument),
  risk: z.optional(z.enum(RISKS)),
  cluster: z.optional(CaseIdDocument),
  reference: z.optional(z.string()),
});

/**
 * Our short form: messages, tools and tool choice in words of chat completions. `system` is put before the messages;
 * `reference` stands for `expected.reference`, and both together are a mistake. The last message is not the model's own.
 */
export function readShort(value: JsonObject): Drafted {
  const parsed = ShortDocument.safeParse(value);
  if (!parsed.success) return { ok: false, mistakes: mistakesOf(parsed.error.issues, SHORT_FIELDS) };
  const { system, tools, tool_outputs = [], expected = {}, reference, ...rest } = parsed.data;
  const mistakes = [...lastMistakes(rest.messages, "messages"), ...doubled(reference, expected)];
  if (mistakes.length > 0) return { ok: false, mistakes };
  const before = system === undefined ? [] : [{ role: "system", content: system }];
  return {
    ok: true,
    draft: {
      id: rest.id ?? null,
      request: {
        messages: [...before, ...jsonOf(rest.messages)],
        ...(tools === undefined ? {} : { tools }),
      },
      tools: tool_outputs.map(({ name, args, result, is_error }) => ({
        name,
        args: JSON.stringify(args),
        content: typeof result === "string" ? result : JSON.stringify(result),
        is_error,
      })),
      labels: reference === undefined ? expected : { ...expected, reference },
      tags: rest.tags ?? [],
      risk: rest.risk ?? "medium",
      cluster: rest.cluster ?? null,
    },
  };
}

const SHORT_FIELDS = Object.keys(ShortDocument.shape);

function doubled(reference: string | undefined, expected: CaseLabels): readonly Mistake[] {
  return reference !== undefined && expected.reference !== undefined
    ? [{ path: "reference", message: "stands in `expected` already" }]
    : [];
}

function lastMistakes(given: readonly { readonly role: string }[], path: string): readonly Mistake[] {
  return given.at(-1)?.role === "assistant"
    ? [{ path: `${path}.${given.length - 1}`, message: "expected a last message that the model is to answer" }]
    : [];
}

/** Messages as JSON: they were read from it. */
function jsonOf(given: readonly object[]): readonly JsonObject[] {
  return given.filter((each): each is JsonObject => isJsonObject(each));
}

const EvalsDocument = z.strictObject({
  input: z.union([messages, z.string().check(z.minLength(1))]),
  ideal: z.optional(z.union([z.string(), z.array(z.string()).check(z.minLength(1))])),
});

/**
 * A sample of OpenAI's Evals, `{input, ideal}` (openai/evals, docs/build-eval.md). A text is a message of the user. One
 * `ideal` is the reference; several are refused: they mean that any of them will do, which no label says.
 */
export function readEvalsSample(value: JsonObject): Drafted {
  const parsed = EvalsDocument.safeParse(value);
  if (!parsed.success) return { ok: false, mistakes: mistakesOf(parsed.error.issues) };
  const { input, ideal } = parsed.data;
  const given = typeof input === "string" ? [{ role: "user", content: input }] : input;
  const ideals = ideal === undefined || typeof ideal === "string" ? [ideal] : ideal;
  const several =
    ideals.length > 1 ? [{ path: "ideal", message: "expected one text: no label says `any of these`" }] : [];
  const mistakes = [...lastMistakes(given, "input"), ...several];
  if (mistakes.length > 0) return { ok: false, mistakes };
  const [reference] = ideals;
  return { ok: true, draft: plainDraft(jsonOf(given), reference === undefined ? {} : { reference }) };
}

/** A draft that says nothing besides its messages and labels. */
export function plainDraft(given: readonly JsonObject[], labels: CaseLabels, tags: readonly string[] = []): Draft {
  return { id: null, request: { messages: given }, tools: [], labels, tags, risk: "medium", cluster: null };
}
