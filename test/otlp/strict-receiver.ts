// Starts an OTLP receiver on loopback that takes nothing for granted: encodings, ids, times, schema, names, and the conventions' required attributes.
import { createServer, type IncomingHttpHeaders } from "node:http";
import { gunzipSync } from "node:zlib";
import { decodeOfficial, encodeOfficial, type OtlpJson } from "./official.ts";

/** A span as it was received. */
export interface ReceivedSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string;
  readonly name: string;
  readonly kind: number;
  readonly resource: Readonly<Record<string, unknown>>;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly events: readonly OtlpJson[];
  readonly status: OtlpJson;
}

/** What the receiver answers to one request. */
export interface Reply {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** A running receiver. */
export interface StrictReceiver {
  readonly origin: string;
  /** Every span of every request that was answered 2xx, in the order in which they came. */
  readonly spans: ReceivedSpan[];
  /** What was wrong with requests: empty unless a rule was broken. */
  readonly mistakes: string[];
  /** The headers of every request, and when it came. */
  readonly requests: { readonly headers: IncomingHttpHeaders; readonly at: number; readonly spans: number }[];
  /** Answers in turn; 200 when none is left. */
  readonly replies: Reply[];
  stop(): Promise<void>;
}

const SCHEMA_URL = "https://opentelemetry.io/schemas/1.41.1";

/** Starts one on a free port; it takes `POST /v1/traces` in this encoding only. */
export async function startStrictReceiver(encoding: "protobuf" | "json"): Promise<StrictReceiver> {
  const receiver: StrictReceiver = {
    origin: "",
    spans: [],
    mistakes: [],
    requests: [],
    replies: [],
    stop: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
  const type = encoding === "json" ? "application/json" : "application/x-protobuf";
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const rules = new Rules(receiver.mistakes);
      rules.that(request.method === "POST" && request.url === "/v1/traces", `${request.method} ${request.url}`);
      rules.that(request.headers["content-type"] === type, `content-type ${request.headers["content-type"]}`);
      rules.that(request.headers["content-encoding"] === "gzip", "content-encoding is not gzip");
      const spans = rules.read(() => spansIn(rules, gunzipSync(Buffer.concat(chunks)), encoding)) ?? [];
      receiver.requests.push({ headers: request.headers, at: Date.now(), spans: spans.length });
      const reply = receiver.replies.shift() ?? { status: 200 };
      if (reply.status < 300) receiver.spans.push(...spans);
      response.writeHead(reply.status, { "content-type": type, ...reply.headers });
      response.end(reply.body ?? (encoding === "json" ? "{}" : ""));
    });
  });
  server.keepAliveTimeout = 100;
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the receiver has no port");
  return Object.assign(receiver, { origin: `http://127.0.0.1:${address.port}` });
}

/** Collects what was wrong. */
class Rules {
  readonly #mistakes: string[];

  constructor(mistakes: string[]) {
    this.#mistakes = mistakes;
  }

  that(holds: boolean, mistake: string): void {
    if (!holds) this.#mistakes.push(mistake);
  }

  read<T>(act: () => T): T | undefined {
    try {
      return act();
    } catch (error) {
      this.#mistakes.push(String(error));
      return undefined;
    }
  }
}

function spansIn(rules: Rules, bytes: Buffer, encoding: "protobuf" | "json"): readonly ReceivedSpan[] {
  // JSON is read through the official definitions too: what they do not know would be lost on the way, and is told.
  const sent = encoding === "json" ? (JSON.parse(bytes.toString("utf8")) as OtlpJson) : decodeOfficial(bytes);
  const known = decodeOfficial(encodeOfficial(sent));
  rules.that(same(known, sent), "members that the official definitions do not know, or in another form");
  return listOf(known["resourceSpans"]).flatMap((resourceSpans) => {
    rules.that(resourceSpans["schemaUrl"] === SCHEMA_URL, `schema_url ${String(resourceSpans["schemaUrl"])}`);
    const resource = attributesIn(rules, objectOf(resourceSpans["resource"]));
    rules.that(typeof resource["service.name"] === "string", "a resource without service.name");
    return listOf(resourceSpans["scopeSpans"]).flatMap((scopeSpans) => {
      rules.that(scopeSpans["schemaUrl"] === SCHEMA_URL, "a scope without schema_url");
      return listOf(scopeSpans["spans"]).map((span) => received(rules, span, resource));
    });
  });
}

function received(rules: Rules, span: OtlpJson, resource: Readonly<Record<string, unknown>>): ReceivedSpan {
  const attributes = attributesIn(rules, span);
  const [traceId, spanId, parentSpanId] = [text(span["traceId"]), text(span["spanId"]), text(span["parentSpanId"])];
  const name = text(span["name"]);
  const where = `span "${name}"`;
  rules.that(/^(?!0{32})[0-9a-f]{32}$/.test(traceId), `${where}: trace id ${traceId}`);
  rules.that(/^(?!0{16})[0-9a-f]{16}$/.test(spanId), `${where}: span id ${spanId}`);
  rules.that(/^([0-9a-f]{16})?$/.test(parentSpanId), `${where}: parent span id ${parentSpanId}`);
  rules.that(name !== "", `${where}: no name`);
  const [start, end] = [BigInt(text(span["startTimeUnixNano"])), BigInt(text(span["endTimeUnixNano"]))];
  rules.that(start > 1_700_000_000_000_000_000n && end >= start, `${where}: times ${start} to ${end}`);
  const kind = Number(span["kind"] ?? 0);
  rules.that(kind >= 1 && kind <= 5, `${where}: kind ${kind}`);
  checkConventions(rules, { name, kind, attributes, status: objectOf(span["status"]) });
  return {
    traceId,
    spanId,
    parentSpanId,
    name,
    kind,
    resource,
    attributes,
    events: listOf(span["events"]),
    status: objectOf(span["status"]),
  };
}

/** Types that the conventions give attributes. */
const TYPES: Readonly<Record<string, string>> = {
  "gen_ai.request.temperature": "doubleValue",
  "gen_ai.request.top_p": "doubleValue",
  "gen_ai.request.frequency_penalty": "doubleValue",
  "gen_ai.request.presence_penalty": "doubleValue",
  "gen_ai.request.max_tokens": "intValue",
  "gen_ai.request.seed": "intValue",
  "gen_ai.request.choice.count": "intValue",
  "gen_ai.request.stop_sequences": "arrayValue",
  "gen_ai.response.finish_reasons": "arrayValue",
  "gen_ai.usage.input_tokens": "intValue",
  "gen_ai.usage.output_tokens": "intValue",
  "server.port": "intValue",
  "http.response.status_code": "intValue",
  "error.type": "stringValue",
};

function attributesIn(rules: Rules, holder: OtlpJson): Readonly<Record<string, unknown>> {
  const entries = listOf(holder["attributes"]).map((attribute) => {
    const key = text(attribute["key"]);
    const [member, value] = Object.entries(objectOf(attribute["value"]))[0] ?? ["", undefined];
    rules.that(key !== "" && member !== "", `attribute "${key}" without a value`);
    rules.that((TYPES[key] ?? member) === member, `attribute ${key} is a ${member}`);
    return [key, plain(member, value)] as const;
  });
  rules.that(new Set(entries.map(([key]) => key)).size === entries.length, "an attribute stands twice");
  return Object.fromEntries(entries);
}

function plain(member: string, value: unknown): unknown {
  if (member === "intValue") return Number(value);
  if (member !== "arrayValue") return value;
  return listOf(objectOf(value)["values"]).map((each) => Object.values(each)[0]);
}

interface Conventional {
  readonly name: string;
  readonly kind: number;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly status: OtlpJson;
}

/** GenAI semantic conventions v1.41.1: what each operation's span must have, and how it is named. */
function checkConventions(rules: Rules, { name, kind, attributes, status }: Conventional): void {
  const operation = attributes["gen_ai.operation.name"];
  const has = (key: string): void => rules.that(attributes[key] !== undefined, `span "${name}" without ${key}`);
  if (operation === "chat") {
    for (const key of ["gen_ai.provider.name", "gen_ai.request.model"]) has(key);
    rules.that(name === `chat ${String(attributes["gen_ai.request.model"])}`, `an inference span named "${name}"`);
    rules.that(kind === 3, `span "${name}" is of kind ${kind}`);
    if (attributes["server.port"] !== undefined) has("server.address");
  }
  if (operation === "execute_tool") {
    has("gen_ai.tool.name");
    const method = attributes["mcp.method.name"];
    const tool = String(attributes["gen_ai.tool.name"]);
    // Over MCP a call is a server span, named by the method and its target (MCP conventions of the GenAI group).
    const expected = method === undefined ? [`execute_tool ${tool}`] : [`tools/call ${tool}`, String(method)];
    rules.that(
      expected.some((each) => name === each || (method === "prompts/get" && name.startsWith(`${each} `))),
      `a tool span named "${name}"`,
    );
    rules.that(kind === (method === undefined ? 1 : 2), `span "${name}" is of kind ${kind}`);
  }
  if (operation !== undefined && status["code"] === 2) has("error.type");
  for (const key of ["gen_ai.input.messages", "gen_ai.output.messages"]) {
    if (attributes[key] !== undefined) checkMessages(rules, key, text(attributes[key]));
  }
}

function checkMessages(rules: Rules, key: string, json: string): void {
  const messages = rules.read(() => JSON.parse(json) as unknown);
  for (const message of listOf(messages)) {
    rules.that(["system", "user", "assistant", "tool"].includes(text(message["role"])), `${key}: role`);
    rules.that(Array.isArray(message["parts"]), `${key}: parts`);
    for (const part of listOf(message["parts"])) rules.that(text(part["type"]) !== "", `${key}: a part without a type`);
    if (key === "gen_ai.output.messages") rules.that(text(message["finish_reason"]) !== "", `${key}: finish_reason`);
  }
}

function same(left: unknown, right: unknown): boolean {
  return JSON.stringify(sorted(left)) === JSON.stringify(sorted(right));
}

/** A value with its members in order, and empty lists, which proto3 does not send, left out. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, each]) => !(Array.isArray(each) && each.length === 0))
      .toSorted(([left], [right]) => (left < right ? -1 : 1))
      .map(([key, each]) => [key, sorted(each)]),
  );
}

function objectOf(value: unknown): OtlpJson {
  return typeof value === "object" && value !== null ? (value as OtlpJson) : {};
}

function listOf(value: unknown): readonly OtlpJson[] {
  return Array.isArray(value) ? (value as readonly OtlpJson[]) : [];
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}
