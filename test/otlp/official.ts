// Reads and writes OTLP through the official definitions: the protobufs that OpenTelemetry generates from opentelemetry-proto.
import root from "@opentelemetry/otlp-transformer/build/src/generated/root.js";

/** JSON as OTLP has it: lowerCamelCase, hex ids, 64-bit integers as text. */
export type OtlpJson = Readonly<Record<string, unknown>>;

interface OfficialType {
  decode(bytes: Uint8Array): object;
  encode(message: object): { finish(): Uint8Array };
  verify(message: object): string | null;
  fromObject(json: object): object;
  toObject(message: object, options: object): OtlpJson;
}

interface OfficialRoot {
  readonly opentelemetry: {
    readonly proto: {
      readonly collector: {
        readonly trace: {
          readonly v1: {
            readonly ExportTraceServiceRequest: OfficialType;
            readonly ExportTraceServiceResponse: OfficialType;
          };
        };
      };
    };
  };
}

const { ExportTraceServiceRequest, ExportTraceServiceResponse } = (root as unknown as OfficialRoot).opentelemetry.proto
  .collector.trace.v1;

const IDS = new Set(["traceId", "spanId", "parentSpanId"]);

/** An export's bytes as JSON; throws what the official reader throws, and for bytes that hold more than it knows. */
export function decodeOfficial(bytes: Uint8Array): OtlpJson {
  const message = ExportTraceServiceRequest.decode(bytes);
  const wrong = ExportTraceServiceRequest.verify(message);
  if (wrong !== null) throw new Error(wrong);
  // What it does not know, it does not write again.
  if (!Buffer.from(ExportTraceServiceRequest.encode(message).finish()).equals(bytes)) throw new Error("unknown fields");
  const json = ExportTraceServiceRequest.toObject(message, { longs: String, enums: Number });
  return mapped(json, (key, value) => {
    if (value instanceof Uint8Array) return Buffer.from(value).toString(IDS.has(key) ? "hex" : "base64");
    // JSON's own numbers carry neither infinities nor a negative zero: proto3 has text for them.
    if (typeof value !== "number" || (Number.isFinite(value) && !Object.is(value, -0))) return value;
    return value === 0 ? "-0" : String(value);
  }) as OtlpJson;
}

/** An export's JSON as bytes. */
export function encodeOfficial(json: OtlpJson): Uint8Array {
  const withBytes = mapped(json, (key, value) => {
    if (typeof value !== "string") return value;
    if (IDS.has(key)) return Buffer.from(value, "hex");
    return key === "bytesValue" ? Buffer.from(value, "base64") : value;
  });
  const bytes = ExportTraceServiceRequest.encode(ExportTraceServiceRequest.fromObject(withBytes as object)).finish();
  return new Uint8Array(bytes);
}

/** The answer to an export, from bytes. */
export function decodeOfficialAnswer(bytes: Uint8Array): OtlpJson {
  return ExportTraceServiceResponse.toObject(ExportTraceServiceResponse.decode(bytes), { longs: String });
}

function mapped(value: unknown, change: (key: string, value: unknown) => unknown, key = ""): unknown {
  if (Array.isArray(value)) return value.map((each) => mapped(each, change, key));
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return change(key, value);
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, mapped(each, change, name)]));
}
