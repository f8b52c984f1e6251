// Decides the shape of a suite's graders: what each looks at, what it asks of it, and by how much it may become worse.
import * as z from "zod/mini";
import { RISKS } from "../eval/case.ts";
import { EFFECTS } from "../policy/decision.ts";
import { usdFromJson } from "../units/money.ts";
import { name } from "./policy-document.ts";

const fraction = z.number().check(z.gte(0, "expected from 0 to 1"), z.lte(1, "expected from 0 to 1"));
const count = z
  .int("expected a whole number")
  .check(z.gte(0, "expected 0 or more"), z.lte(10_000, "expected at most 10000"));
const positive = z.number().check(z.gt(0, "expected more than 0"));
const tolerance = z.number().check(z.gte(0, "expected 0 or more"));
const text = (most: number): z.ZodMiniString =>
  z
    .string()
    .check(z.minLength(1, "expected at least one character"), z.maxLength(most, `expected at most ${most} characters`));
const path = z.string().check(
  z.regex(/^[A-Za-z_][\w.-]{0,127}$/, "expected a dotted path such as `order.total`"),
  z.refine((value) => !value.endsWith(".") && !value.includes(".."), "expected a dotted path such as `order.total`"),
);
const tool = text(195);
const pattern = text(1_024);
const texts = z
  .array(text(4_096))
  .check(z.minLength(1, "expected at least one text"), z.maxLength(50, "expected at most 50 texts"));
/** An amount of dollars above 0. */
export const usd = z
  .union([z.number(), z.string()])
  .check(
    z.refine(
      (value) => (usdFromJson(value) ?? 0) > 0,
      "expected dollars above 0, with at most six decimals, such as 0.50",
    ),
  );

/** What every grader may say. */
const shared = {
  id: name,
  /** `false`: it is shown and decides nothing. */
  gate: z._default(z.boolean(), true),
  /** How much worse is still good enough: of passes and scores a difference, of amounts a share. */
  margin: z.optional(fraction),
  /** Cases that it looks at; all of them when left out. */
  where: z.optional(
    z.strictObject({
      tags: z.optional(z.array(text(256)).check(z.minLength(1, "expected at least one tag"))),
      risk: z.optional(z.array(z.enum(RISKS)).check(z.minLength(1, `expected some of ${RISKS.join(", ")}`))),
    }),
  ),
};
/** What graders of violations may say besides: the rate that has to be excluded at 95 %. */
const violating = { max_rate: z.optional(fraction) };
/** What graders of amounts may say besides: the most that a case may come to on average. */
const ceiling = { limit: z.optional(positive) };

/** One grader of a suite. */
export const GraderDocument = z.discriminatedUnion("kind", [
  /** The agent came to an answer within its steps and its budget. */
  z.strictObject({ ...shared, kind: z.literal("completed") }),
  /** The last answer, or every call's arguments, fit a JSON Schema. */
  z.strictObject({
    ...shared,
    kind: z.literal("json_schema"),
    schema: z.record(z.string(), z.unknown()),
    target: z._default(z.enum(["final", "args"]), "final"),
    /** The tool whose arguments are meant. */
    tool: z.optional(tool),
  }),
  /** The last answer, or a value of it, is a text: the one given, else the case's reference or JSON answer. */
  z.strictObject({
    ...shared,
    kind: z.literal("exact"),
    value: z.optional(z.string()),
    path: z.optional(path),
    ignore_case: z._default(z.boolean(), false),
  }),
  /** The last answer, or a value of it, says all of some texts: those given, else the case's own. */
  z.strictObject({
    ...shared,
    kind: z.literal("contains"),
    values: z.optional(texts),
    path: z.optional(path),
    ignore_case: z._default(z.boolean(), true),
  }),
  /** The last answer, or a value of it, matches an RE2 pattern; or no answer does. */
  z.strictObject({
    ...shared,
    kind: z.literal("regex"),
    pattern,
    path: z.optional(path),
    ignore_case: z._default(z.boolean(), false),
    /** `true`: it must not match. Without a path every answer is looked at. */
    forbid: z._default(z.boolean(), false),
  }),
  /** A number of a JSON answer is what it should be, or near it. */
  z.strictObject({
    ...shared,
    kind: z.literal("numeric"),
    path: z.optional(path),
    /** The label's own value when left out. */
    expected: z.optional(z.number()),
    /** How far off it may be: by so much, or by such a share of what is expected, whichever is more. */
    abs: z._default(tolerance, 0),
    rel: z._default(tolerance, 0),
  }),
  /** The tools that were asked for are those of the labels, else those of the recording. */
  z.strictObject({ ...shared, kind: z.literal("tool_choice") }),
  /** The arguments of the calls are those of the labels, else of the recording: the share of calls that fit. */
  z.strictObject({
    ...shared,
    kind: z.literal("arguments"),
    /** `subset`: at least those that are expected. */
    match: z._default(z.enum(["subset", "exact"]), "subset"),
    /** By which share numbers may differ; those below 1 by as much as it stands. */
    tolerance: z._default(tolerance, 0),
    /** Arguments that may be anything; of a list, in each of its items. */
    ignore: z._default(z.array(path), []),
  }),
  /** How many calls there were, in which order, and how often the same one. */
  z.strictObject({
    ...shared,
    kind: z.literal("calls"),
    order: z._default(z.enum(["strict", "any"]), "any"),
    min: z.optional(count),
    max: z.optional(count),
    /** The same call with the same arguments at most so often. */
    repeats: z.optional(count),
  }),
  /** None of the calls that the labels, or this list, forbid was asked for. */
  z.strictObject({
    ...shared,
    ...violating,
    kind: z.literal("forbidden"),
    /** Tools, families such as `billing.*`, or `*`. */
    tools: z._default(z.array(tool), []),
  }),
  /** What the policy would have said to each call. */
  z.strictObject({
    ...shared,
    ...violating,
    kind: z.literal("policy"),
    /** Effects that are well. */
    allow: z._default(z.array(z.enum(EFFECTS)).check(z.minLength(1, `expected some of ${EFFECTS.join(", ")}`)), [
      "allow",
    ]),
    as: z._default(z.enum(["violation", "pass"]), "violation"),
  }),
  /** Nothing was told that may not be: credentials, personal data that nobody showed, the mark of an injection. */
  z.strictObject({
    ...shared,
    ...violating,
    kind: z.literal("leakage"),
    secrets: z._default(z.boolean(), true),
    pii: z._default(z.boolean(), true),
    canaries: z._default(z.boolean(), true),
    in: z._default(z.enum(["answers", "arguments", "both"]), "both"),
  }),
  /** The answer cites what was retrieved, and nothing else: the share of its citations that were. */
  z.strictObject({
    ...shared,
    kind: z.literal("citation"),
    /** Between which signs the id of what is cited stands. */
    open: z._default(text(16), "["),
    close: z._default(text(16), "]"),
    /** Citations that there have to be. */
    min: z._default(count, 1),
    /** The member of the results that holds the ids of passages; when left out, an id counts wherever it stands as a word. */
    field: z.optional(text(128)),
  }),
  /** Micro-USD of the models. */
  z.strictObject({
    ...shared,
    kind: z.literal("cost"),
    /** The most that a case may cost on average, in dollars. */
    limit_usd: z.optional(usd),
  }),
  /** Milliseconds of the models. */
  z.strictObject({ ...shared, ...ceiling, kind: z.literal("latency") }),
  /** Tokens of the models. */
  z.strictObject({
    ...shared,
    ...ceiling,
    kind: z.literal("tokens"),
    of: z._default(z.enum(["input", "output", "total"]), "total"),
  }),
  /** Model calls. */
  z.strictObject({ ...shared, ...ceiling, kind: z.literal("steps") }),
  /** A CEL expression of the tenant's own over `case`, `episode` and `recorded`. */
  z.strictObject({
    ...shared,
    ...violating,
    ...ceiling,
    kind: z.literal("cel"),
    expression: text(4_096),
    as: z._default(z.enum(["pass", "score", "violation", "amount"]), "pass"),
  }),
  /** A judge's word: one of `evals.judges`. */
  z.strictObject({ ...shared, kind: z.literal("judge"), judge: name }),
]);

/** A parsed grader. */
export type GraderEntry = z.infer<typeof GraderDocument>;
/** One kind of grader. */
export type GraderOf<K extends GraderEntry["kind"]> = Extract<GraderEntry, { kind: K }>;
