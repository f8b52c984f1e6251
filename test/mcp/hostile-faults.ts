// Names the ways in which a hostile MCP server answers a request wrongly, and answers so.
import type { ServerResponse } from "node:http";

/** The ways. Until `dies_before`, the tool has done its work when the answer goes wrong. */
export const FAULTS = [
  "hang_before_headers",
  "hang_after_headers",
  "hang_mid_sse",
  "progress_forever",
  "endless_sse",
  "huge_result",
  "huge_line",
  "not_json",
  "empty_body",
  "wrong_id",
  "wrong_content_type",
  "invalid_utf8",
  "invalid_shape",
  "deep_json",
  "half_body",
  "dies_mid_sse",
  "dies_before",
  "html_502",
  "redirect",
] as const;
/** One of them. */
export type Fault = (typeof FAULTS)[number];

/** Faults that come before any work. */
export const WITHOUT_EFFECT: ReadonlySet<Fault> = new Set(["dies_before", "html_502", "redirect"]);

/** What an answer is made of: the honest result, and what the request said. */
export interface Answering {
  readonly response: ServerResponse;
  readonly id: string | number | null;
  readonly result: Readonly<Record<string, unknown>>;
  readonly progressToken: string | number | undefined;
  /** Where a redirect leads. */
  readonly elsewhere: string;
}

const HUGE_BYTES = 50_000_000;
const CHUNK = "x".repeat(256 * 1024);
const SSE = { "content-type": "text/event-stream", "cache-control": "no-cache" };
const JSON_TYPE = { "content-type": "application/json" };

/** One event with a JSON-RPC message. */
export const eventOf = (message: unknown): string => `event: message\ndata: ${JSON.stringify(message)}\n\n`;

/** An honest answer. */
export function answerWell({ response, id, result }: Answering): void {
  response.writeHead(200, JSON_TYPE).end(JSON.stringify({ jsonrpc: "2.0", id, result }));
}

/** Answers wrongly. What never ends, ends with its connection. */
export function answerBadly(fault: Fault, answering: Answering): void {
  const { response } = answering;
  const rpc = (over: object): string =>
    JSON.stringify({ jsonrpc: "2.0", id: answering.id, result: answering.result, ...over });
  const body = (bytes: string | Uint8Array): void => void response.writeHead(200, JSON_TYPE).end(bytes);
  switch (fault) {
    case "hang_before_headers":
      return;
    case "hang_after_headers":
      response.writeHead(200, JSON_TYPE).flushHeaders();
      return;
    case "hang_mid_sse":
      response.writeHead(200, SSE).write(eventOf(progressOf(answering, 1)));
      return;
    case "progress_forever":
      response.writeHead(200, SSE);
      repeat(response, 50, (round) => eventOf(progressOf(answering, round)));
      return;
    case "endless_sse":
      response.writeHead(200, SSE);
      repeat(response, 5, () => eventOf(logOf(CHUNK)));
      return;
    case "huge_line":
      response.writeHead(200, SSE).write("data: ");
      repeat(response, 5, () => CHUNK);
      return;
    case "huge_result":
      body(rpc({ result: { ...answering.result, content: [{ type: "text", text: "x".repeat(HUGE_BYTES) }] } }));
      return;
    case "not_json":
      body("<<< not json >>>");
      return;
    case "empty_body":
      body("");
      return;
    case "wrong_id":
      body(rpc({ id: "somebody-elses" }));
      return;
    case "wrong_content_type":
      response.writeHead(200, { "content-type": "text/html" }).end(rpc({}));
      return;
    case "invalid_utf8":
      body(withInvalidUtf8(rpc({ result: { ...answering.result, content: [{ type: "text", text: "MARK" }] } })));
      return;
    case "invalid_shape":
      body(rpc({ result: { ...answering.result, content: "no array", tools: "no array" } }));
      return;
    case "deep_json":
      body(rpc({}).replace('"result":', `"result":${"[".repeat(200_000)}${"]".repeat(200_000)},"x":`));
      return;
    case "half_body":
      response.writeHead(200, { ...JSON_TYPE, "content-length": "1000" }).write('{"jsonrpc":');
      response.flushHeaders();
      setImmediate(() => response.destroy());
      return;
    case "dies_mid_sse":
      response.writeHead(200, SSE).write(eventOf(progressOf(answering, 1)), () => response.destroy());
      return;
    case "dies_before":
      response.socket?.resetAndDestroy();
      return;
    case "html_502":
      response.writeHead(502, { "content-type": "text/html" }).end("<html><h1>Bad Gateway</h1></html>");
      return;
    case "redirect":
      response.writeHead(307, { location: answering.elsewhere }).end();
      return;
    default:
      fault satisfies never;
  }
}

/** A message that tells progress, where the caller asked for it; a log line where it did not. */
export function progressOf({ progressToken }: Answering, progress: number): object {
  if (progressToken === undefined) return logOf(`step ${progress}`);
  return { jsonrpc: "2.0", method: "notifications/progress", params: { progressToken, progress } };
}

const logOf = (data: string): object => ({
  jsonrpc: "2.0",
  method: "notifications/message",
  params: { level: "info", data },
});

/** Writes until the caller leaves, at most one piece per interval, and none while the last has not gone out. */
function repeat(response: ServerResponse, everyMs: number, piece: (round: number) => string): void {
  let round = 0;
  const timer = setInterval(() => {
    if (response.writableNeedDrain) return;
    round += 1;
    response.write(piece(round));
  }, everyMs);
  response.on("close", () => clearInterval(timer));
}

function withInvalidUtf8(text: string): Uint8Array {
  const bytes = Buffer.from(text);
  bytes.set([0xc3, 0x28, 0xff, 0xfe], bytes.indexOf("MARK"));
  return bytes;
}
