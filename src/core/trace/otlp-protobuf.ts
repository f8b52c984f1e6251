// Decides how OTLP messages are read from protobuf and written to it.
import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { bytesToHex, hexToBytes } from "@noble/hashes/utils.js";
import {
  emptyMessage,
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

/** Ids are 8 or 16 bytes: a longer one is no id, and would only be read to be refused. */
const MAX_ID_BYTES = 64;

const byNumber = new Map(
  Object.entries(FIELDS).map(([name, fields]) => [name, new Map(fields.map((field) => [field.no, field]))] as const),
);
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Reads an `ExportTraceServiceRequest`. Fields that are not known are skipped. Never throws: what is cut short, reaches
 * past its message, nests too deep, holds too many messages, is not UTF-8, or comes in another wire type than its field
 * has, is answered as the reason.
 */
export function readExportProtobuf(bytes: Uint8Array): OtlpRead<OtlpExport> {
  return read<OtlpExport>(bytes, "Export");
}

/** Reads a message of the table; `T` is its type. */
function read<T>(bytes: Uint8Array, name: MessageName): OtlpRead<T> {
  try {
    const reader = new BinaryReader(bytes, (text) => utf8.decode(text));
    // The table fills in every member of the type.
    const value = readMessage({ reader, count: new MessageCount() }, name, bytes.length) as T;
    return { ok: true, value };
  } catch (error) {
    const reason = error instanceof MalformedOtlp ? error.message : "the bytes are no protobuf message, or cut short";
    return { ok: false, reason };
  }
}

/** An `ExportTraceServiceRequest` as protobuf. */
export function writeExportProtobuf(value: OtlpExport): Uint8Array<ArrayBuffer> {
  return writeMessage(new BinaryWriter(), "Export", { ...value }).finish();
}

/** An `ExportTraceServiceResponse` as protobuf: nothing at all when every span was taken. */
export function writeAnswerProtobuf(value: OtlpExportAnswer): Uint8Array<ArrayBuffer> {
  const { rejectedSpans, errorMessage } = value.partialSuccess;
  if (rejectedSpans === 0n && errorMessage === "") return new Uint8Array();
  return writeMessage(new BinaryWriter(), "Answer", { ...value }).finish();
}

/** Reads an `ExportTraceServiceResponse`. Never throws. */
export function readAnswerProtobuf(bytes: Uint8Array): OtlpRead<OtlpExportAnswer> {
  return read<OtlpExportAnswer>(bytes, "Answer");
}

/** A `google.rpc.Status` as protobuf. */
export function writeStatusProtobuf(value: OtlpStatus): Uint8Array<ArrayBuffer> {
  return writeMessage(new BinaryWriter(), "RpcStatus", { ...value }).finish();
}

interface Reading {
  readonly reader: BinaryReader;
  readonly count: MessageCount;
}

function wireTypeOf(type: Field["type"]): WireType {
  if (isMessage(type)) return WireType.LengthDelimited;
  return WIRE_TYPES[type];
}

const WIRE_TYPES: Readonly<Record<ScalarType | "value", WireType>> = {
  value: WireType.LengthDelimited,
  string: WireType.LengthDelimited,
  id: WireType.LengthDelimited,
  time: WireType.Bit64,
  fixed32: WireType.Bit32,
  uint32: WireType.Varint,
  int32: WireType.Varint,
  int64: WireType.Varint,
  kind: WireType.Varint,
  code: WireType.Varint,
};

function readMessage(reading: Reading, name: MessageName, end: number, depth = 0): Message {
  const { reader, count } = reading;
  count.take();
  const message = emptyMessage(name);
  while (reader.pos < end) {
    const [no, wireType] = reader.tag();
    const field = byNumber.get(name)?.get(no);
    if (field === undefined) {
      reader.skip(wireType, no);
      continue;
    }
    expectWireType(`${name}.${field.name}`, wireType, wireTypeOf(field.type));
    const value = readField(reading, field.type, depth);
    const list = message[field.name];
    if (field.isMany && Array.isArray(list)) list.push(value);
    else message[field.name] = value;
  }
  expectEnd(reader, end);
  return message;
}

function expectWireType(where: string, found: WireType, expected: WireType): void {
  if (found !== expected) throw new MalformedOtlp(`${where}: expected wire type ${expected}, found ${found}`);
}

function expectEnd(reader: BinaryReader, end: number): void {
  if (reader.pos !== end) throw new MalformedOtlp("a field reaches past the message that holds it");
}

/** Where a message that begins here ends. */
function readEnd(reader: BinaryReader): number {
  const length = reader.uint32();
  if (length > reader.len - reader.pos) throw new MalformedOtlp("a length reaches past the end of the body");
  return reader.pos + length;
}

function readField(reading: Reading, type: Field["type"], depth: number): unknown {
  if (type === "value") return readValue(reading, depth);
  return isMessage(type)
    ? readMessage(reading, type, readEnd(reading.reader), depth)
    : readScalar(reading.reader, type);
}

function readScalar(reader: BinaryReader, type: ScalarType): string | number | bigint {
  switch (type) {
    case "string":
      return reader.string();
    case "id":
      return readId(reader);
    case "time":
      return BigInt(reader.fixed64());
    case "int64":
      return BigInt(reader.int64());
    case "fixed32":
      return reader.fixed32();
    case "uint32":
      return reader.uint32();
    case "int32":
    case "kind":
    case "code":
      return reader.int32();
    default:
      return type satisfies never;
  }
}

function readId(reader: BinaryReader): string {
  const bytes = reader.bytes();
  if (bytes.length > MAX_ID_BYTES) throw new MalformedOtlp("an id is longer than 16 bytes");
  return bytesToHex(bytes);
}

/** `AnyValue`: the last of its members that was sent is the value. */
function readValue(reading: Reading, depth: number): OtlpValue {
  const { reader, count } = reading;
  count.take();
  if (depth >= MAX_OTLP_DEPTH) throw new MalformedOtlp(`a value nests deeper than ${MAX_OTLP_DEPTH}`);
  const end = readEnd(reader);
  let value: OtlpValue = null;
  while (reader.pos < end) {
    const [no, wireType] = reader.tag();
    const expected = VALUE_WIRE_TYPES[no];
    if (expected === undefined) {
      reader.skip(wireType, no);
      continue;
    }
    expectWireType(`AnyValue field ${no}`, wireType, expected);
    value = readMember(reading, no, depth + 1);
  }
  expectEnd(reader, end);
  return value;
}

/** Wire types of `AnyValue`'s members, by field number. */
const VALUE_WIRE_TYPES: readonly (WireType | undefined)[] = [
  undefined,
  WireType.LengthDelimited,
  WireType.Varint,
  WireType.Varint,
  WireType.Bit64,
  WireType.LengthDelimited,
  WireType.LengthDelimited,
  WireType.LengthDelimited,
];

function readMember(reading: Reading, no: number, depth: number): OtlpValue {
  const { reader } = reading;
  switch (no) {
    case 1:
      return reader.string();
    case 2:
      return reader.bool();
    case 3:
      return BigInt(reader.int64());
    case 4:
      return reader.double();
    case 5:
      return readList(reading, () => readValue(reading, depth));
    case 6:
      return { entries: readList(reading, () => readEntry(reading, depth)) };
    default:
      return reader.bytes();
  }
}

/** `ArrayValue` and `KeyValueList` are the same: field 1, many times. */
function readList<T>({ reader }: Reading, read: () => T): readonly T[] {
  const end = readEnd(reader);
  const list: T[] = [];
  while (reader.pos < end) {
    const [no, wireType] = reader.tag();
    if (no === 1) {
      expectWireType("values", wireType, WireType.LengthDelimited);
      list.push(read());
    } else reader.skip(wireType, no);
  }
  expectEnd(reader, end);
  return list;
}

function readEntry(reading: Reading, depth: number): OtlpAttribute {
  return readMessage(reading, "KeyValue", readEnd(reading.reader), depth) as unknown as OtlpAttribute;
}

function writeMessage(writer: BinaryWriter, name: MessageName, message: Message): BinaryWriter {
  for (const field of FIELDS[name]) {
    const value = message[field.name];
    if (Array.isArray(value) && field.isMany) for (const each of value) writeField(writer, field, each);
    else writeField(writer, field, value);
  }
  return writer;
}

function writeField(writer: BinaryWriter, { no, type }: Field, value: unknown): void {
  if (isUnsent(type, value)) return;
  writer.tag(no, wireTypeOf(type));
  if (type === "value") return writeValue(writer, value as OtlpValue);
  if (isMessage(type)) writeMessage(writer.fork(), type, value as Message).join();
  else writeScalar(writer, type, value as string & number & bigint);
}

function writeScalar(writer: BinaryWriter, type: ScalarType, value: string & number & bigint): BinaryWriter {
  switch (type) {
    case "string":
      return writer.string(value);
    case "id":
      return writer.bytes(hexToBytes(value));
    case "time":
      return writer.fixed64(value);
    case "int64":
      return writer.int64(value);
    case "fixed32":
      return writer.fixed32(value);
    case "uint32":
      return writer.uint32(value);
    case "int32":
    case "kind":
    case "code":
      return writer.int32(value);
    default:
      return type satisfies never;
  }
}

/** `AnyValue` after its tag; the members of a oneof are sent even where they hold the default. */
function writeValue(writer: BinaryWriter, value: OtlpValue): void {
  writer.fork();
  if (value !== null) writeMember(writer, value);
  writer.join();
}

function writeMember(writer: BinaryWriter, value: NonNullable<OtlpValue>): void {
  if (typeof value === "string") writer.tag(1, WireType.LengthDelimited).string(value);
  else if (typeof value === "boolean") writer.tag(2, WireType.Varint).bool(value);
  else if (typeof value === "bigint") writer.tag(3, WireType.Varint).int64(value);
  else if (typeof value === "number") writer.tag(4, WireType.Bit64).double(value);
  else if (value instanceof Uint8Array) writer.tag(7, WireType.LengthDelimited).bytes(value);
  else if (isList(value)) writeItems(writer, value);
  else writeEntries(writer, value.entries);
}

function writeEntries(writer: BinaryWriter, entries: readonly OtlpAttribute[]): void {
  writer.tag(6, WireType.LengthDelimited).fork();
  for (const entry of entries) {
    writeMessage(writer.tag(1, WireType.LengthDelimited).fork(), "KeyValue", { ...entry }).join();
  }
  writer.join();
}

function writeItems(writer: BinaryWriter, items: readonly OtlpValue[]): void {
  writer.tag(5, WireType.LengthDelimited).fork();
  for (const item of items) writeValue(writer.tag(1, WireType.LengthDelimited), item);
  writer.join();
}
