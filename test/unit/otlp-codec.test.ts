// Proves the OTLP codec against the official definitions, both ways, and against bodies that mean harm.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readExportJson, writeAnswerJson, writeExportJson, writeStatusJson } from "../../src/core/trace/otlp-json.ts";
import {
  readExportProtobuf,
  writeAnswerProtobuf,
  writeExportProtobuf,
  writeStatusProtobuf,
} from "../../src/core/trace/otlp-protobuf.ts";
import { MAX_OTLP_MESSAGES, type OtlpExport, type OtlpRead } from "../../src/core/trace/otlp-model.ts";
import { anyExport } from "../otlp/arbitraries.ts";
import { decodeOfficial, decodeOfficialAnswer, encodeOfficial, type OtlpJson } from "../otlp/official.ts";

function read(result: OtlpRead<OtlpExport>): OtlpExport {
  if (!result.ok) throw new Error(result.reason);
  return result.value;
}

function jsonOf(value: OtlpExport): OtlpJson {
  return JSON.parse(writeExportJson(value)) as OtlpJson;
}

describe("round trips", () => {
  test("through our own protobuf and JSON", () => {
    fc.assert(
      fc.property(anyExport, (value) => {
        expect(read(readExportProtobuf(writeExportProtobuf(value)))).toEqual(value);
        expect(read(readExportJson(writeExportJson(value)))).toEqual(value);
      }),
      { numRuns: 500 },
    );
  });

  test("what we write, the official definitions read whole, with nothing they do not know", () => {
    fc.assert(
      fc.property(anyExport, (value) => {
        expect(read(readExportJson(JSON.stringify(decodeOfficial(writeExportProtobuf(value)))))).toEqual(value);
      }),
      { numRuns: 500 },
    );
  });

  test("what the official definitions write, we read whole", () => {
    fc.assert(
      fc.property(anyExport, (value) => {
        const bytes = encodeOfficial(jsonOf(value));
        expect(read(readExportProtobuf(bytes))).toEqual(value);
        expect(Buffer.from(writeExportProtobuf(value)).equals(bytes)).toBe(true);
      }),
      { numRuns: 500 },
    );
  });
});

describe("doubles that JSON's numbers cannot carry", () => {
  test.each([-0, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 5e-324, 1.797e308])("%d", (value) => {
    const resource = { attributes: [{ key: "d", value }], droppedAttributesCount: 0 };
    const sent = { resourceSpans: [{ resource, scopeSpans: [], schemaUrl: "" }] };
    expect(read(readExportJson(writeExportJson(sent)))).toEqual(sent);
    expect(read(readExportProtobuf(encodeOfficial(jsonOf(sent))))).toEqual(sent);
    expect(read(readExportJson(JSON.stringify(decodeOfficial(writeExportProtobuf(sent)))))).toEqual(sent);
  });
});

describe("JSON as it comes", () => {
  const spans = (span: OtlpJson): string => JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans: [span] }] }] });
  const spanOf = (span: OtlpJson): unknown =>
    read(readExportJson(spans(span))).resourceSpans[0]?.scopeSpans[0]?.spans[0];

  test("hex in either case, integers as numbers or text, enums by number or name, unknown members", () => {
    const span = spanOf({
      traceId: "5B8EFFF798038103D269B633813FC60C",
      spanId: "EEE19B7EC3C1B174",
      kind: "SPAN_KIND_SERVER",
      startTimeUnixNano: 1544712660000000,
      endTimeUnixNano: "1544712661000000000",
      attributes: [
        { key: "n", value: { intValue: 7, next: true } },
        { key: "m", value: { intValue: "-9223372036854775808" } },
      ],
      status: { code: "STATUS_CODE_ERROR", message: null },
      trace_id: "snake_case is not valid",
      someday: { deep: [1] },
    });
    expect(span).toMatchObject({
      traceId: "5b8efff798038103d269b633813fc60c",
      spanId: "eee19b7ec3c1b174",
      kind: 2,
      startTimeUnixNano: 1544712660000000n,
      endTimeUnixNano: 1544712661000000000n,
      attributes: [
        { key: "n", value: 7n },
        { key: "m", value: -(2n ** 63n) },
      ],
      status: { code: 2, message: "" },
    });
  });

  test("the example of the specification", () => {
    const example = {
      resourceSpans: [
        {
          resource: { attributes: [{ key: "service.name", value: { stringValue: "my.service" } }] },
          scopeSpans: [
            {
              scope: { name: "my.library", version: "1.0.0", attributes: [] },
              spans: [
                {
                  traceId: "5B8EFFF798038103D269B633813FC60C",
                  spanId: "EEE19B7EC3C1B174",
                  parentSpanId: "EEE19B7EC3C1B173",
                  name: "I'm a server span",
                  startTimeUnixNano: "1544712660000000000",
                  endTimeUnixNano: "1544712661000000000",
                  kind: 2,
                  attributes: [{ key: "my.span.attr", value: { stringValue: "some value" } }],
                },
              ],
            },
          ],
        },
      ],
    };
    const value = read(readExportJson(JSON.stringify(example)));
    expect(value).toEqual(read(readExportProtobuf(encodeOfficial(example))));
  });

  test.each([
    ["no JSON", "{", "the body is not valid JSON"],
    ["no object", "[]", "body: expected an object"],
    ["a list that is none", '{"resourceSpans":{}}', "resourceSpans: expected an array"],
    ["an id in base64", spans({ traceId: "W47/95gDgQPSabYzgT/GDA==" }), "traceId: expected hex digits"],
    ["half a digit pair", spans({ spanId: "abc" }), "spanId: expected hex digits"],
    ["a time that is no number", spans({ startTimeUnixNano: "now" }), "startTimeUnixNano: expected a whole number"],
    ["a time below zero", spans({ startTimeUnixNano: "-1" }), "startTimeUnixNano: out of range"],
    ["a fraction of a count", spans({ droppedEventsCount: 1.5 }), "droppedEventsCount: expected a whole number"],
    ["a kind nobody knows", spans({ kind: "SPAN_KIND_SIDEWAYS" }), "kind: expected a whole number"],
    ["text for truth", spans({ attributes: [{ key: "a", value: { boolValue: "yes" } }] }), "expected true or false"],
    [
      "an integer too large",
      spans({ attributes: [{ key: "a", value: { intValue: "9223372036854775808" } }] }),
      "out of range",
    ],
    [
      "a double that is none",
      spans({ attributes: [{ key: "a", value: { doubleValue: "much" } }] }),
      "expected a number",
    ],
    ["bytes that are none", spans({ attributes: [{ key: "a", value: { bytesValue: "*" } }] }), "expected base64"],
    ["a name that is a number", spans({ name: 1 }), "name: expected text"],
  ])("%s is refused with the reason", (_, body, reason) => {
    const result = readExportJson(body);
    expect(result.ok ? "" : result.reason).toContain(reason);
  });
});

describe("bodies that mean harm", () => {
  const varint = (value: number): number[] =>
    value < 128 ? [value] : [(value & 127) | 128, ...varint(Math.floor(value / 128))];
  const field = (no: number, content: readonly number[]): number[] => [
    (no << 3) | 2,
    ...varint(content.length),
    ...content,
  ];
  const nested =
    (...nos: readonly number[]): ((content: readonly number[]) => Uint8Array) =>
    (content) =>
      new Uint8Array(nos.toReversed().reduce<readonly number[]>((inner, no) => field(no, inner), content));
  const inSpan = nested(1, 2, 2);
  const inValue = nested(1, 2, 2, 9, 2);
  const refused = (bytes: Uint8Array): string => {
    const result = readExportProtobuf(bytes);
    return result.ok ? "" : result.reason;
  };

  test("every prefix of a message is read or refused, and never throws", () => {
    fc.assert(
      fc.property(anyExport, (value) => {
        const bytes = writeExportProtobuf(value);
        for (let end = 0; end <= Math.min(bytes.length, 400); end += 1) readExportProtobuf(bytes.subarray(0, end));
        expect(readExportProtobuf(bytes.subarray(0, bytes.length)).ok).toBe(true);
      }),
      { numRuns: 100 },
    );
  });

  test("any bytes, and any JSON, are read or refused, and never throw", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        readExportProtobuf(bytes);
      }),
      { numRuns: 3000 },
    );
    fc.assert(
      fc.property(fc.json(), (text) => {
        readExportJson(text);
        readExportJson(`{"resourceSpans":[${text}]}`);
        readExportJson(`{"resourceSpans":[{"scopeSpans":[{"spans":[{"attributes":[{"key":"a","value":${text}}]}]}]}]}`);
      }),
      { numRuns: 1000 },
    );
  });

  test("one changed byte of a valid message is read or refused, and never throws", () => {
    fc.assert(
      fc.property(anyExport, fc.nat(), fc.integer({ min: 0, max: 255 }), (value, at, byte) => {
        const bytes = writeExportProtobuf(value);
        if (bytes.length > 0) bytes[at % bytes.length] = byte;
        readExportProtobuf(bytes);
      }),
      { numRuns: 2000 },
    );
  });

  test("a length past the end", () => {
    expect(refused(new Uint8Array([0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f]))).toContain("past the end");
    expect(refused(inSpan([(5 << 3) | 2, 0xff, 0xff, 0xff, 0xff, 0x07]))).not.toBe("");
  });

  test("a field that reaches out of its message into the next", () => {
    const name = [(5 << 3) | 2, 9, 65, 65];
    const bytes = new Uint8Array([...inSpan(name), ...inSpan([(5 << 3) | 2, 1, 65, 0, 0, 0, 0, 0])]);
    expect(refused(bytes)).not.toBe("");
  });

  test("a wire type that the field does not have", () => {
    expect(refused(inSpan([(1 << 3) | 0, 1]))).toBe("Span.traceId: expected wire type 2, found 0");
    expect(refused(inSpan([(7 << 3) | 0, 1]))).toBe("Span.startTimeUnixNano: expected wire type 1, found 0");
    expect(refused(inValue([(4 << 3) | 0, 1]))).toBe("AnyValue field 4: expected wire type 1, found 0");
  });

  test("text that is not UTF-8, and an id of a megabyte", () => {
    expect(refused(inSpan(field(5, [0xff, 0xfe])))).toContain("no protobuf message");
    expect(
      refused(
        inSpan(
          field(
            1,
            Array.from({ length: 100 }, () => 7),
          ),
        ),
      ),
    ).toContain("longer than 16 bytes");
  });

  test("values nested a thousand deep, in either encoding", () => {
    let value: number[] = field(1, [65]);
    for (let depth = 0; depth < 1000; depth += 1) value = field(5, field(1, value));
    expect(refused(inValue(value))).toContain("nests deeper");
    const depth = 100_000;
    const json = `{"resourceSpans":[{"resource":{"attributes":[{"key":"a","value":${'{"arrayValue":{"values":['.repeat(1000)}{}${"]}}".repeat(1000)}}]}}]}`;
    const result = readExportJson(json);
    expect(result.ok ? "" : result.reason).toContain("nests deeper");
    expect(readExportJson(`${'{"a":'.repeat(depth)}1${"}".repeat(depth)}`).ok).toBeTypeOf("boolean");
    expect(readExportJson("[".repeat(depth)).ok).toBe(false);
  });

  test("groups nested a thousand deep are no stack overflow", () => {
    expect(refused(new Uint8Array(Array.from({ length: 100_000 }, () => 0x7b)))).not.toBe("");
  });

  test("a million empty spans in two megabytes", () => {
    const spans = new Uint8Array(2_000_000);
    for (let at = 0; at < spans.length; at += 2) spans[at] = 0x12;
    const scope = [...varint(spans.length)];
    const outer = [0x12, ...scope];
    const resource = [0x0a, ...varint(outer.length + spans.length), ...outer];
    const bytes = new Uint8Array(resource.length + spans.length);
    bytes.set(resource);
    bytes.set(spans, resource.length);
    expect(refused(bytes)).toBe(`more than ${MAX_OTLP_MESSAGES} messages in one body`);
  });
});

describe("answers", () => {
  test("whole success is empty, part of it says how many and why", () => {
    const whole = { partialSuccess: { rejectedSpans: 0n, errorMessage: "" } };
    expect(writeAnswerProtobuf(whole)).toHaveLength(0);
    expect(writeAnswerJson(whole)).toBe("{}");
    const part = { partialSuccess: { rejectedSpans: 3n, errorMessage: "an id is missing" } };
    expect(decodeOfficialAnswer(writeAnswerProtobuf(part))).toEqual({
      partialSuccess: { rejectedSpans: "3", errorMessage: "an id is missing" },
    });
    expect(JSON.parse(writeAnswerJson(part))).toEqual({
      partialSuccess: { rejectedSpans: "3", errorMessage: "an id is missing" },
    });
  });

  test("an error is a google.rpc.Status", () => {
    const status = { code: 3, message: "no" };
    expect(JSON.parse(writeStatusJson(status))).toEqual(status);
    expect([...writeStatusProtobuf(status)]).toEqual([0x08, 3, 0x12, 2, 0x6e, 0x6f]);
  });
});
