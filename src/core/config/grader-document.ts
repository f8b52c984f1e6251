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
const path = z.string().check(z.regex(/^[A-Za-z_][\w.-]{0,127}$/, "expected a dotted path such as `order.total`"));
const tool = z.string().check(z.minLength(1), z.maxLength(128));
const pattern = z.string().check(z.minLength(1), z.maxLength(1_024));
const texts = z.array(z.string().check(z.minLength(1), z.maxLength(4_096))).check(z.minLength(1), z.maxLength(50));

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
      tags: z.optional(z.array(z.string().check(z.minLength(1))).check(z.minLength(1))),
      risk: z.optional(z.array(z.enum(RISKS)).check(z.minLength(1))),
    }),
  ),
};
/** What graders of violations may say besides: the rate that has to be excluded at 95 %. */
const violating = { max_rate: z.optional(fraction) };
/** What graders of amounts may say besides. */
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
  /** The last answer, or a value of it, is a text: the one given, else the case's reference. */
  z.strictObject({
    ...shared,
    kind: z.literal("exact"),
    value: z.optional(z.string()),
    path: z.optional(path),
    ignore_case: z._default(z.boolean(), false),
  }),
  /** The last answer says all of some texts: those given, else the case's own. */
  z.strictObject({
    ...shared,
    kind: z.literal("contains"),
    values: z.optional(texts),
    ignore_case: z._default(z.boolean(), true),
  }),
  /** The last answer matches, or must not match, an RE2 pattern. */
  z.strictObject({ ...shared, kind: z.literal("regex"), pattern, forbid: z._default(z.boolean(), false) }),
  /** A number of a JSON answer is what it should be, or near it. */
  z.strictObject({
    ...shared,
    kind: z.literal("numeric"),
    path: z.optional(path),
    /** The label's own value when left out. */
    expected: z.optional(z.number()),
    abs: z._default(z.number().check(z.gte(0)), 0),
    rel: z._default(z.number().check(z.gte(0)), 0),
  }),
  /** The tools that were asked for are those of the labels, else those of the recording. */
  z.strictObject({ ...shared, kind: z.literal("tool_choice") }),
  /** The arguments of the calls are those of the labels, else of the recording: the share of calls that fit. */
  z.strictObject({
    ...shared,
    kind: z.literal("arguments"),
    /** `subset`: at least those that are expected. */
    match: z._default(z.enum(["subset", "exact"]), "subset"),
    tolerance: z._default(z.number().check(z.gte(0)), 0),
    /** Arguments that may be anything. */
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
  z.strictObject({ ...shared, ...violating, kind: z.literal("forbidden"), tools: z._default(z.array(tool), []) }),
  /** What the policy would have said to each call. */
  z.strictObject({
    ...shared,
    ...violating,
    kind: z.literal("policy"),
    /** Effects that are well. */
    allow: z._default(z.array(z.enum(EFFECTS)).check(z.minLength(1)), ["allow"]),
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
    open: z._default(z.string().check(z.minLength(1), z.maxLength(16)), "["),
    close: z._default(z.string().check(z.minLength(1), z.maxLength(16)), "]"),
    /** Citations that there have to be. */
    min: z._default(count, 1),
  }),
  /** Micro-USD of the models. */
  z.strictObject({
    ...shared,
    kind: z.literal("cost"),
    limit_usd: z.optional(
      z
        .union([z.number(), z.string()])
        .check(z.refine((value) => usdFromJson(value) !== undefined, "expected dollars")),
    ),
  }),
  /** Milliseconds of the models. */
  z.strictObject({ ...shared, ...ceiling, kind: z.literal("latency") }),
  z.strictObject({
    ...shared,
    ...ceiling,
    kind: z.literal("tokens"),
    of: z._default(z.enum(["input", "output", "total"]), "total"),
  }),
  /** Model calls. */
  z.strictObject({ ...shared, ...ceiling, kind: z.literal("steps") }),
  /** An expression of the tenant's own over `case`, `episode` and `recorded`. */
  z.strictObject({
    ...shared,
    ...violating,
    ...ceiling,
    kind: z.literal("cel"),
    expression: z.string().check(z.minLength(1), z.maxLength(4_096)),
    as: z._default(z.enum(["pass", "score", "violation", "amount"]), "pass"),
  }),
  /** A judge's word. */
  z.strictObject({ ...shared, kind: z.literal("judge"), judge: name }),
]);

/** A parsed grader. */
export type GraderEntry = z.infer<typeof GraderDocument>;
/** One kind of grader. */
export type GraderOf<K extends GraderEntry["kind"]> = Extract<GraderEntry, { kind: K }>;
