// Makes exports of spans for property tests: every field, every kind of value.
import fc from "fast-check";
import type { OtlpAttribute, OtlpExport, OtlpValue } from "../../src/core/trace/otlp-model.ts";

const text = fc.string({ unit: "binary", maxLength: 24 });
const uint32 = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const nano = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const id = (bytes: number): fc.Arbitrary<string> =>
  fc.uint8Array({ minLength: bytes, maxLength: bytes }).map((raw) => Buffer.from(raw).toString("hex"));

const { value } = fc.letrec<{ value: OtlpValue }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.constant(null),
    text,
    fc.boolean(),
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
    fc.double(),
    fc.uint8Array({ maxLength: 12 }),
    fc.array(tie("value"), { maxLength: 4 }),
    fc
      .array(fc.record({ key: text, value: tie("value") }), { maxLength: 4 })
      .map((entries: readonly OtlpAttribute[]) => ({ entries })),
  ),
}));

const attributes = fc.array(fc.record({ key: text, value }), { maxLength: 4 });
const attributed = { attributes, droppedAttributesCount: uint32 };

const span = fc.record({
  traceId: id(16),
  spanId: id(8),
  traceState: text,
  parentSpanId: fc.oneof(fc.constant(""), id(8)),
  name: text,
  kind: fc.integer({ min: 0, max: 5 }),
  startTimeUnixNano: nano,
  endTimeUnixNano: nano,
  ...attributed,
  events: fc.array(fc.record({ timeUnixNano: nano, name: text, ...attributed }), { maxLength: 2 }),
  droppedEventsCount: uint32,
  links: fc.array(fc.record({ traceId: id(16), spanId: id(8), traceState: text, ...attributed, flags: uint32 }), {
    maxLength: 2,
  }),
  droppedLinksCount: uint32,
  status: fc.record({ message: text, code: fc.integer({ min: 0, max: 2 }) }),
  flags: uint32,
});

/** Any export. */
export const anyExport: fc.Arbitrary<OtlpExport> = fc.record({
  resourceSpans: fc.array(
    fc.record({
      resource: fc.record(attributed),
      scopeSpans: fc.array(
        fc.record({
          scope: fc.record({ name: text, version: text, ...attributed }),
          spans: fc.array(span, { maxLength: 3 }),
          schemaUrl: text,
        }),
        { maxLength: 2 },
      ),
      schemaUrl: text,
    }),
    { maxLength: 2 },
  ),
});
