// Decides the shape of what a tenant says about masking, sampling and raw records: the parts of its config's section `trace`.
import * as z from "zod/mini";
import { isPattern } from "../guard/custom-detector.ts";
import { PII_KINDS } from "../guard/mask-rules.ts";

const MAX_PATHS = 100;
const MAX_PATTERNS = 20;
const PATH_EXPECTED =
  "expected a dotted path such as `arguments.customer.name`; `*` stands for one step, `**` for any number of them";
const PATTERN_EXPECTED = "expected a pattern in RE2's syntax, of at most 500 characters, that matches no empty text";

const path = z.string().check(
  z.maxLength(300, PATH_EXPECTED),
  z.refine(
    (text) => text.split(".").every((step) => step !== "" && (!step.includes("*") || /^\*\*?$/.test(step))),
    PATH_EXPECTED,
  ),
);
const pattern = z.string().check(z.maxLength(500, PATTERN_EXPECTED), z.refine(isPattern, PATTERN_EXPECTED));

/** What is masked in records. Credentials always are. */
export const MaskingDocument = z.strictObject({
  /** Kinds of personal data that are looked for; one set to false is left as it is. */
  detectors: z._default(z.partialRecord(z.enum(PII_KINDS), z.boolean()), {}),
  /** Paths whose every value is masked. */
  always: z._default(z.array(path).check(z.maxLength(MAX_PATHS)), []),
  /** Paths at which no personal data is looked for: fields that only look like it. */
  never: z._default(z.array(path).check(z.maxLength(MAX_PATHS)), []),
  /** Patterns of the tenant's own, by the kind that their tokens show. */
  patterns: z._default(
    z
      .record(z.string().check(z.regex(/^[a-z][a-z0-9_]{0,39}$/, "expected small letters, digits and `_`")), pattern)
      .check(
        z.refine((all) => Object.keys(all).length <= MAX_PATTERNS, `expected at most ${MAX_PATTERNS} patterns`),
        z.refine((all) => Object.keys(all).every((kind) => !TAKEN.has(kind)), "that kind is one of the gateway's own"),
      ),
    {},
  ),
});

const TAKEN: ReadonlySet<string> = new Set([...PII_KINDS, "secret", "user", "value", "bytes"]);

const share = z.number().check(z.gte(0, "expected 0 to 1"), z.lte(1, "expected 0 to 1"));
const names = z.optional(
  z.array(z.string().check(z.minLength(1), z.maxLength(128))).check(z.minLength(1), z.maxLength(100)),
);

/** Which share of traces keeps its bodies. Whatever went wrong, waits for people or writes keeps them always. */
export const SamplingDocument = z.strictObject({
  payloads: z._default(share, 1),
  /** The first that matches a call counts instead. */
  rules: z._default(
    z
      .array(z.strictObject({ actor: names, tool: names, model: names, kind: names, payloads: share }))
      .check(z.maxLength(100)),
    [],
  ),
});

/** How long records are also kept as they were before masking, encrypted. Left out: not at all. */
export const RawDocument = z.strictObject({
  days: z.int().check(z.gte(1, "expected 1 to 30 days"), z.lte(30, "expected 1 to 30 days")),
});
