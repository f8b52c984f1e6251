// Decides which attributes of an agent's span are content, and are therefore kept as payloads: masked, sampled and retained as such.
import { sha256Hex } from "../json/digest.ts";
import type { Payload } from "./record.ts";
import type { OtlpAttribute } from "./otlp-model.ts";
import { callerKey, contentOf } from "./otlp-values.ts";

/** A body longer than this is kept as its digest and length. */
const MAX_BODY_CHARS = 512 * 1024;

type PayloadName = Exclude<Payload["name"], "ask">;

/** OpenTelemetry GenAI v1.41.1, OpenInference, and what older instrumentations send. */
const NAMES: Readonly<Record<string, PayloadName>> = {
  "gen_ai.system_instructions": "request",
  "gen_ai.input.messages": "request",
  "gen_ai.tool.definitions": "request",
  "gen_ai.retrieval.query.text": "request",
  "gen_ai.prompt": "request",
  "input.value": "request",
  "traceloop.entity.input": "request",
  "gen_ai.output.messages": "response",
  "gen_ai.retrieval.documents": "response",
  "gen_ai.completion": "response",
  "output.value": "response",
  "traceloop.entity.output": "response",
  "gen_ai.tool.call.arguments": "arguments",
  "gen_ai.tool.call.result": "result",
};

const PREFIXES: readonly (readonly [string, PayloadName])[] = [
  ["gen_ai.prompt.", "request"],
  ["llm.input_messages.", "request"],
  ["gen_ai.completion.", "response"],
  ["llm.output_messages.", "response"],
];

/** Names of `gen_ai.prompt.name` and the like, which tell about content and are none. */
const TOLD = new Set(["gen_ai.prompt.name", "gen_ai.prompt.version"]);

function payloadOf(key: string): PayloadName | undefined {
  if (TOLD.has(key)) return undefined;
  return Object.hasOwn(NAMES, key) ? NAMES[key] : PREFIXES.find(([prefix]) => key.startsWith(prefix))?.[1];
}

/** Attributes without content, and the content as payloads of the span: JSON objects by attribute name. */
export function withoutContent(
  spanId: string,
  attributes: readonly OtlpAttribute[],
): { readonly told: readonly OtlpAttribute[]; readonly payloads: readonly Payload[] } {
  const content = Map.groupBy(attributes, ({ key }) => payloadOf(key));
  const told = content.get(undefined) ?? [];
  const payloads = [...content].flatMap(([name, members]) =>
    name === undefined ? [] : [contentPayload(name, spanId, members)],
  );
  return { told, payloads };
}

function contentPayload(name: PayloadName, spanId: string, members: readonly OtlpAttribute[]): Payload {
  const text = JSON.stringify(Object.fromEntries(members.map(({ key, value }) => [callerKey(key), contentOf(value)])));
  const shared = { name, span_id: spanId, content_type: "application/json", bytes: text.length };
  if (text.length <= MAX_BODY_CHARS) return { ...shared, digest: "", body: text };
  return { ...shared, digest: sha256Hex(text), body: null, omitted: "larger than 512 KiB" };
}
