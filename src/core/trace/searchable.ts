// Decides which words of a recorded call are searchable: those of its masked bodies and of what was said about it.
import { ATTR } from "./attributes.ts";
import type { Payload, TraceRecord } from "./record.ts";

/** Characters of one body that are searchable: of what was sent its end, for it repeats what went before. */
const MAX_BODY_CHARS = 2_000;
/** Characters of one record. */
const MAX_CHARS = 6_000;
/** Levels of a JSON body that are read. */
const MAX_DEPTH = 12;

const SAID = [ATTR.refusal, ATTR.decisionReasons, ATTR.approvalComment, ATTR.resolutionEvidence, ATTR.errorType];

/** The searchable text of a record, at most 6,000 characters. It must be masked already. */
export function searchableText(record: TraceRecord): string {
  const bodies = record.payloads.filter(({ name }) => name !== "ask").map(textOf);
  const said = record.spans.flatMap(({ name, attributes }) => [
    name,
    ...SAID.flatMap((key) => wordsOf(attributes[key], 0)),
  ]);
  return [record.index.subject, ...bodies, ...said].join(" ").slice(0, MAX_CHARS);
}

function textOf({ name, body, content_type }: Payload): string {
  if (body === null) return "";
  const text = content_type.includes("json") ? wordsOfJson(body) : body;
  return name === "request" ? text.slice(-MAX_BODY_CHARS) : text.slice(0, MAX_BODY_CHARS);
}

function wordsOfJson(body: string): string {
  try {
    return wordsOf(JSON.parse(body), 0).join(" ");
  } catch {
    return body;
  }
}

function wordsOf(value: unknown, depth: number): readonly string[] {
  if (typeof value === "string") return [value];
  if (typeof value === "number") return [String(value)];
  if (typeof value !== "object" || value === null || depth > MAX_DEPTH) return [];
  return Object.values(value).flatMap((each) => wordsOf(each, depth + 1));
}
