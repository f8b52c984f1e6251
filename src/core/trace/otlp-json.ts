// Decides how OTLP messages are read from JSON and written to it: proto3's JSON mapping, with ids in hex (OTLP 1.x, section "JSON Protobuf Encoding").
import { base64Decode, base64Encode } from "@bufbuild/protobuf/wire";
import {
  emptyMessage,
  ENUM_NAMES,
  FIELDS,
  isMessage,
  isUnsent,
  type Field,
  type Message,
  type MessageName,
  type ScalarType,
} from "./otlp-fields.ts";
import {
  isList,
  MalformedOtlp,
  MAX_OTLP_DEPTH,
  MessageCount,
  type OtlpAttribute,
  type OtlpExport,
  type OtlpExportAnswer,
  type OtlpRead,
  type OtlpStatus,
  type OtlpValue,
} from "./otlp-model.ts";

/**
 * Reads an `ExportTraceServiceRequest` from JSON text. Names are lowerCamelCase, others are ignored; ids are hex in
 * either case; 64-bit integers are numbers or decimal strings; enums are numbers or names; `null` is the default.
 * Never throws: what is no such message is answered as the reason, with the field's path.
 */
export function readExportJson(text: string): OtlpRead<OtlpExport> {
  return read<OtlpExport>(text, "Export");
}

/** Reads an `ExportTraceServiceResponse` from JSON text. Never throws. */
export function readAnswerJson(text: string): OtlpRead<OtlpExportAnswer> {
  return read<OtlpExportAnswer>(text, "Answer");
}

/** Reads a message of the table; `T` is its type. */
function read<T>(text: string, name: MessageName): OtlpRead<T> {
  try {
    // The table fills in every member of the type.
    return { ok: true, value: readMessage({ count: new MessageCount(), depth: 0 }, name, parse(text), "") as T };
  } catch (error) {
    return { ok: false, reason: error instanceof MalformedOtlp ? error.message : "the body cannot be read" };
  }
}

/** An `ExportTraceServiceRequest` as JSON text. */
export function writeExportJson(value: OtlpExport): string {
  return JSON.stringify(jsonOf("Export", { ...value }));
}

/** An `ExportTraceServiceResponse` as JSON text: `{}` when every span was taken. */
export function writeAnswerJson(value: OtlpExportAnswer): string {
  const { rejectedSpans, errorMessage } = value.partialSuccess;
  return rejectedSpans === 0n && errorMessage === "" ? "{}" : JSON.stringify(jsonOf("Answer", { ...value }));
}

/** A `google.rpc.Status` as JSON text. */
export function writeStatusJson({ code, message }: OtlpStatus): string {
  return JSON.stringify({ code, message });
}

interface Reading {
  readonly count: MessageCount;
  readonly depth: number;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new MalformedOtlp("the body is not valid JSON");
  }
}

function readMessage(reading: Reading, name: MessageName, json: unknown, path: string): Message {
  reading.count.take();
  if (!isObject(json)) throw new MalformedOtlp(`${path || "body"}: expected an object`);
  const message = emptyMessage(name);
  for (const field of FIELDS[name]) {
    const value = json[field.name];
    if (value === undefined || value === null) continue;
    const at = path === "" ? field.name : `${path}.${field.name}`;
    message[field.name] = field.isMany
      ? readMany(reading, field.type, value, at)
      : readField(reading, field.type, value, at);
  }
  return message;
}

function readMany(reading: Reading, type: Field["type"], json: unknown, path: string): readonly unknown[] {
  if (!Array.isArray(json)) throw new MalformedOtlp(`${path}: expected an array`);
  return json.map((each: unknown, index) => readField(reading, type, each, `${path}.${index}`));
}

function readField(reading: Reading, type: Field["type"], json: unknown, path: string): unknown {
  if (type === "value") return readValue(reading, json, path);
  return isMessage(type) ? readMessage(reading, type, json, path) : readScalar(type, json, path);
}

function readScalar(type: ScalarType, json: unknown, path: string): unknown {
  switch (type) {
    case "string":
      return readString(json, path);
    case "id":
      return readId(json, path);
    case "time":
      return inRange(integerOf(json, path), 0n, MAX_UINT64, path);
    case "int64":
      return inRange(integerOf(json, path), MIN_INT64, MAX_INT64, path);
    case "uint32":
    case "fixed32":
      return Number(inRange(integerOf(json, path), 0n, MAX_UINT32, path));
    case "int32":
      return Number(inRange(integerOf(json, path), -MAX_INT32 - 1n, MAX_INT32, path));
    case "kind":
    case "code":
      return readEnum(type, json, path);
    default:
      return type satisfies never;
  }
}

const MAX_INT32 = 2n ** 31n - 1n;
const MAX_UINT32 = 2n ** 32n - 1n;
const MAX_INT64 = 2n ** 63n - 1n;
const MIN_INT64 = -(2n ** 63n);
const MAX_UINT64 = 2n ** 64n - 1n;

function readString(json: unknown, path: string): string {
  if (typeof json !== "string") throw new MalformedOtlp(`${path}: expected text`);
  // A lone surrogate has no UTF-8 form: it could be neither stored nor sent on.
  return json.toWellFormed();
}

function readId(json: unknown, path: string): string {
  if (typeof json !== "string" || json.length % 2 !== 0 || !/^[0-9A-Fa-f]{0,128}$/.test(json))
    throw new MalformedOtlp(`${path}: expected hex digits`);
  return json.toLowerCase();
}

function integerOf(json: unknown, path: string): bigint {
  if (typeof json === "number" && Number.isInteger(json)) return BigInt(json);
  if (typeof json === "string" && /^-?\d{1,20}$/.test(json)) return BigInt(json);
  throw new MalformedOtlp(`${path}: expected a whole number, or its decimal digits as text`);
}

function inRange(value: bigint, least: bigint, most: bigint, path: string): bigint {
  if (value < least || value > most) throw new MalformedOtlp(`${path}: out of range`);
  return value;
}

function readEnum(type: "kind" | "code", json: unknown, path: string): number {
  const named = typeof json === "string" ? ENUM_NAMES[type].indexOf(json) : -1;
  if (named >= 0) return named;
  return Number(inRange(integerOf(json, path), -MAX_INT32 - 1n, MAX_INT32, path));
}

/** Members of `AnyValue` in JSON. */
const MEMBERS = [
  "stringValue",
  "boolValue",
  "intValue",
  "doubleValue",
  "arrayValue",
  "kvlistValue",
  "bytesValue",
] as const;

function readValue(reading: Reading, json: unknown, path: string): OtlpValue {
  reading.count.take();
  if (reading.depth >= MAX_OTLP_DEPTH) throw new MalformedOtlp(`a value nests deeper than ${MAX_OTLP_DEPTH}`);
  if (!isObject(json)) throw new MalformedOtlp(`${path}: expected an object`);
  const member = MEMBERS.find((name) => json[name] !== undefined && json[name] !== null);
  if (member === undefined) return null;
  return readMember({ ...reading, depth: reading.depth + 1 }, member, json[member], `${path}.${member}`);
}

function readMember(reading: Reading, member: (typeof MEMBERS)[number], json: unknown, path: string): OtlpValue {
  switch (member) {
    case "stringValue":
      return readString(json, path);
    case "boolValue":
      if (typeof json !== "boolean") throw new MalformedOtlp(`${path}: expected true or false`);
      return json;
    case "intValue":
      return inRange(integerOf(json, path), MIN_INT64, MAX_INT64, path);
    case "doubleValue":
      return readDouble(json, path);
    case "arrayValue":
      return valuesIn(json, path).map((each, index) => readValue(reading, each, `${path}.values.${index}`));
    case "kvlistValue":
      return {
        entries: valuesIn(json, path).map(
          (each, index) =>
            readMessage(reading, "KeyValue", each, `${path}.values.${index}`) as unknown as OtlpAttribute,
        ),
      };
    case "bytesValue":
      return readBytes(json, path);
    default:
      return member satisfies never;
  }
}

function valuesIn(json: unknown, path: string): readonly unknown[] {
  const values: unknown = isObject(json) ? (json["values"] ?? []) : undefined;
  if (!Array.isArray(values)) throw new MalformedOtlp(`${path}.values: expected an array`);
  return values;
}

function readDouble(json: unknown, path: string): number {
  if (typeof json === "number") return json;
  if (json === "NaN" || json === "Infinity" || json === "-Infinity") return Number(json);
  if (typeof json === "string" && json.trim() !== "" && Number.isFinite(Number(json))) return Number(json);
  throw new MalformedOtlp(`${path}: expected a number`);
}

function readBytes(json: unknown, path: string): Uint8Array {
  try {
    if (typeof json === "string") return base64Decode(json);
  } catch {
    // Told below, with where it stands.
  }
  throw new MalformedOtlp(`${path}: expected base64`);
}

function jsonOf(name: MessageName, message: Message): Message {
  const json: Message = {};
  for (const { name: field, type, isMany } of FIELDS[name]) {
    const value = message[field];
    if (isUnsent(type, value)) continue;
    if (!isMany) json[field] = jsonOfField(type, value);
    else if (Array.isArray(value) && value.length > 0) json[field] = value.map((each) => jsonOfField(type, each));
  }
  return json;
}

function jsonOfField(type: Field["type"], value: unknown): unknown {
  if (type === "value") return jsonOfValue(value as OtlpValue);
  if (isMessage(type)) return jsonOf(type, value as Message);
  return typeof value === "bigint" ? String(value) : value;
}

function jsonOfValue(value: OtlpValue): Message {
  if (value === null) return {};
  if (typeof value === "string") return { stringValue: value };
  if (typeof value === "boolean") return { boolValue: value };
  if (typeof value === "bigint") return { intValue: String(value) };
  if (typeof value === "number") return { doubleValue: isJsonNumber(value) ? value : textOfDouble(value) };
  if (value instanceof Uint8Array) return { bytesValue: base64Encode(value) };
  if (isList(value)) return { arrayValue: { values: value.map(jsonOfValue) } };
  return { kvlistValue: { values: value.entries.map((entry) => jsonOf("KeyValue", { ...entry })) } };
}

/** Whether JSON's own numbers carry a double: not infinities, not a negative zero. */
function isJsonNumber(value: number): boolean {
  return Number.isFinite(value) && !Object.is(value, -0);
}

function textOfDouble(value: number): string {
  return value === 0 ? "-0" : String(value);
}

function isObject(json: unknown): json is Readonly<Record<string, unknown>> {
  return typeof json === "object" && json !== null && !Array.isArray(json);
}
