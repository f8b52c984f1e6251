// Decides what of a record is masked before it leaves: every body, every attribute that can carry others' words, the end user.
import { sha256Hex } from "../json/digest.ts";
import { ATTR } from "../trace/attributes.ts";
import type { Attributes, AttributeValue, IndexRow, Payload, Span, TraceRecord } from "../trace/record.ts";
import { formsOf } from "../trace/scrub.ts";
import { telltaleId } from "./caller-id.ts";
import { isOurAttribute } from "./mask-attributes.ts";
import { maskJson, maskUser, placeOf, type PathOf } from "./mask-json.ts";
import type { MaskingRules } from "./mask-rules.ts";
import { maskStream } from "./mask-stream.ts";
import { TextMasker } from "./mask-text.ts";
import type { MaskTokens } from "./mask-tokens.ts";

/** Why a body is not kept where it could not be masked. */
export const NOT_MASKED = "could not be masked";
/** What stands in place of an attribute that could not be masked. */
const WITHHELD = "[withheld]";

/**
 * A record as it may leave: bodies, attributes, names and the end user masked, ids and digests of our own left.
 * Pure and idempotent; equal values have equal tokens. What cannot be masked (nested too deep, too long, anything that
 * goes wrong) is left out: a body becomes its digest, an attribute says that it is withheld. Never throws.
 */
export function maskRecord(record: TraceRecord, rules: MaskingRules, tokens: MaskTokens): TraceRecord {
  const masker = new TextMasker(rules, tokens);
  const payloads = record.payloads.map((payload) => maskPayload(masker, payload));
  const spans = record.spans.map((span, at) => maskSpan(masker, span, oursIn(record, at)));
  const index = maskIndex(masker, record.index);
  const spelled = { ...record, spans, payloads };
  const whole = masker.found.size === 0 ? spelled : withoutSpellings(spelled, masker.found);
  return { ...whole, index: { ...index, masked: maskedIn(record.index, masker) } };
}

/** How much was masked; a record that is masked again keeps the greater count. */
function maskedIn(index: IndexRow, { counts }: TextMasker): number {
  return Math.max(
    index.masked,
    [...counts.values()].reduce((sum, count) => sum + count, 0),
  );
}

/**
 * A record of a tenant whose rules or key cannot be had: it is kept with what is ours, and without all that is not.
 * Bodies are their digests, attributes with others' words are withheld.
 */
export function withholdRecord(record: TraceRecord): TraceRecord {
  return {
    ...record,
    index: { ...record.index, ...withheldIds(record.index), user: null },
    spans: record.spans.map((span, at) => ({
      ...span,
      name: oursIn(record, at) === isOurAttribute ? (span.name.split(" ")[0] ?? "") : WITHHELD,
      attributes: Object.fromEntries(
        Object.entries(span.attributes).flatMap(([name, value]) => {
          if (oursIn(record, at)(name) || typeof value === "boolean") return [[name, value]];
          return name in ATTR_NAMES ? [[name, WITHHELD]] : [];
        }),
      ),
    })),
    payloads: record.payloads.map((payload) => withoutBody(payload, NOT_MASKED)),
  };
}

/** Which attributes of a record's span are ours: of a span that an agent sent, its mark alone, whatever it calls them. */
function oursIn({ index }: TraceRecord, at: number): (name: string) => boolean {
  return index.kind === "otel" && at > 0 ? isMark : isOurAttribute;
}

function isMark(name: string): boolean {
  return name === ATTR.callerDeclared;
}

const ATTR_NAMES: Readonly<Record<string, true>> = Object.fromEntries(
  Object.values(ATTR).map((name) => [name, true] as const),
);

function withheldIds(index: IndexRow): Pick<IndexRow, "subject" | "session_id" | "task_id" | "error_code"> {
  const kept = (text: string): string => (telltaleId(text) === undefined ? text : WITHHELD);
  return {
    subject: /^[\w.:/*-]{1,64}$/.test(index.subject) ? kept(index.subject) : WITHHELD,
    error_code: index.error_code === null || /^[a-z0-9_]{1,64}$/.test(index.error_code) ? index.error_code : WITHHELD,
    session_id: kept(index.session_id),
    task_id: index.task_id === null ? null : kept(index.task_id),
  };
}

/** A digest of less than this could be guessed: it is left out. */
const DIGEST_AT_LEAST = 256;

/** A payload without its body, with the digest of what it was. */
export function withoutBody(payload: Payload, omitted: string): Payload {
  if (payload.body === null) return payload;
  const digest = payload.body.length < DIGEST_AT_LEAST ? "" : sha256Hex(payload.body.toWellFormed());
  return { ...payload, body: null, digest, omitted };
}

function maskIndex(masker: TextMasker, index: IndexRow): IndexRow {
  const id = (text: string): string => maskId(masker, text);
  return {
    ...index,
    session_id: id(index.session_id),
    task_id: index.task_id === null ? null : id(index.task_id),
    actor: id(index.actor),
    trace_id: id(index.trace_id),
    subject: maskName(masker, index.subject),
    // An agent says itself what its own spans failed of.
    error_code: index.error_code === null ? null : maskName(masker, index.error_code),
    user: index.user === null ? null : maskUser(masker, index.user),
    release: index.release === null ? null : id(index.release),
  };
}

/** An id with somebody's address in it was refused where it came in; one that came another way is masked here. */
function maskId(masker: TextMasker, id: string): string {
  return telltaleId(id) === undefined ? id : safely(masker, id);
}

/** Names of models, tools and spans: words that a name may have are looked at like ids, anything else like a text. */
function maskName(masker: TextMasker, name: string): string {
  if (!/^[A-Za-z][\w.:/-]{0,63}(?: [\w.:/*-]{1,64}){0,3}$/.test(name)) return safely(masker, name);
  return name.split(" ").every((word) => telltaleId(word) === undefined) ? name : safely(masker, name);
}

function safely(masker: TextMasker, text: string): string {
  try {
    return masker.mask(text);
  } catch {
    return WITHHELD;
  }
}

function maskSpan(masker: TextMasker, span: Span, isOurs: (name: string) => boolean): Span {
  return { ...span, name: maskName(masker, span.name), attributes: maskAttributes(masker, span.attributes, isOurs) };
}

function maskAttributes(masker: TextMasker, attributes: Attributes, isOurs: (name: string) => boolean): Attributes {
  return Object.fromEntries(
    Object.entries(attributes).map(([name, value]) =>
      value === undefined || isOurs(name) ? [name, value] : [safely(masker, name), maskAttribute(masker, name, value)],
    ),
  );
}

function maskAttribute(masker: TextMasker, name: string, value: AttributeValue): AttributeValue {
  if (typeof value === "boolean") return value;
  if (typeof value === "number") return Number.isInteger(value) ? numberOf(masker, name, value) : value;
  if (typeof value !== "string") return value.map((each) => maskAttributeText(masker, name, each));
  if (name === ATTR.endUser) return maskUser(masker, value);
  if (IDS.has(name)) return maskName(masker, value);
  return maskAttributeText(masker, name, value);
}

/** Attributes that repeat an id or a name of the index row, and must stay equal to it. */
const IDS: ReadonlySet<string> = new Set([
  ATTR.actor,
  ATTR.agentName,
  ATTR.conversation,
  ATTR.task,
  ATTR.release,
  ATTR.requestModel,
  ATTR.toolName,
]);

function numberOf(masker: TextMasker, name: string, value: number): AttributeValue {
  const masked = maskAttributeText(masker, name, JSON.stringify(value));
  return masked === JSON.stringify(value) ? value : masked;
}

function maskAttributeText(masker: TextMasker, name: string, text: string): string {
  const last = name.split(".").at(-1) ?? "";
  const holder = JSON.stringify({ [last]: text });
  try {
    const masked = JSON.parse(maskJson(masker, holder, (path) => ["attributes", ...name.split("."), ...path.slice(1)]));
    const value: unknown = Object.values(masked as Readonly<Record<string, unknown>>)[0];
    return typeof value === "string" ? value : WITHHELD;
  } catch {
    return WITHHELD;
  }
}

function maskPayload(masker: TextMasker, payload: Payload): Payload {
  if (payload.body === null) return payload;
  try {
    return { ...payload, body: maskBody(masker, payload, payload.body) };
  } catch {
    return withoutBody(payload, NOT_MASKED);
  }
}

function maskBody(masker: TextMasker, { name, content_type: type }: Payload, body: string): string {
  const where = pathsIn(name);
  if (type.includes("event-stream") || /^(?:\uFEFF)?(?:data|event|id|retry)?:/.test(body))
    return maskStream(masker, body, where);
  if (/^[\s\uFEFF]*[[{"]/.test(body)) {
    const text = body.replace(/^\uFEFF/, "");
    if (isJson(text)) return maskJson(masker, text, where);
  }
  return masker.mask(unescaped(body), placeOf(""));
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** Text that is not JSON may yet be a part of one: an escaped `@` is read like any other. */
function unescaped(text: string): string {
  if (!text.includes(String.raw`\u00`)) return text;
  return text.replaceAll(/\\u00([2-7][\da-f])/gi, (whole, hex: string) => {
    const character = String.fromCharCode(Number.parseInt(hex, 16));
    return character === '"' || character === "\\" ? whole : character;
  });
}

/** The paths by which rules know the places of a body: a call's arguments are `arguments`, wherever they are recorded. */
function pathsIn(name: Payload["name"]): PathOf {
  return (path) => {
    if (name === "arguments" && path[0] === "tool_call" && path[1] === "args") return ["arguments", ...path.slice(2)];
    if (name === "ask" && path[0] === "args") return ["arguments", ...path.slice(1)];
    if (name === "result" && path[0] === "result") return ["result", ...path.slice(1)];
    return [name === "arguments" ? "envelope" : name === "result" ? "outcome" : name, ...path];
  };
}

/** Spellings of digits alone are left: a number in JSON must stay one, and other numbers may hold the same digits. */
const ONLY_DIGITS = /^[\d .+-]*$/;
const SHORTEST = 8;

/** What was found in one place is replaced in every other, also percent-encoded, in base64 or escaped. */
function withoutSpellings(record: TraceRecord, found: ReadonlyMap<string, string>): TraceRecord {
  const spellings = [...found].flatMap(([value, put]) =>
    value.length < SHORTEST
      ? []
      : formsOf(value).flatMap((form) => (ONLY_DIGITS.test(form) ? [] : [[form, put] as const])),
  );
  const clean = (text: string): string =>
    spellings.reduce((out, [form, put]) => (out.includes(form) ? out.replaceAll(form, put) : out), text);
  return {
    ...record,
    spans: record.spans.map((span, at) => ({
      ...span,
      name: clean(span.name),
      attributes: Object.fromEntries(
        Object.entries(span.attributes).map(([name, value]) => [
          name,
          oursIn(record, at)(name) ? value : cleaned(value, clean),
        ]),
      ),
    })),
    payloads: record.payloads.map((payload) =>
      payload.body === null ? payload : { ...payload, body: clean(payload.body) },
    ),
  };
}

function cleaned(value: AttributeValue | undefined, clean: (text: string) => string): AttributeValue | undefined {
  if (typeof value === "string") return clean(value);
  return typeof value === "object" ? value.map(clean) : value;
}
