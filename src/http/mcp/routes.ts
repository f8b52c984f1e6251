// Routes of the MCP endpoints: who may come in, which revision is spoken, and who serves it.
import { isJsonContentType, isLegacyRequest } from "@modelcontextprotocol/server";
import { parseExactJson } from "../../core/json/exact.ts";
import type { HttpContext } from "../context.ts";
import { readBodyText } from "../middleware/body.ts";
import { authenticateMcp, type AuthenticatedClient } from "./authenticate.ts";
import { challenge } from "./challenge.ts";
import { refusedResponse, rpcErrorResponse } from "./errors.ts";
import { serveSessionDelete, serveSessionGet, serveSessionPost } from "./sessions.ts";
import { checkOrigin, corsHeaders } from "./origin.ts";
import { stateCodec, type Serving } from "./serving.ts";
import { serveStateless } from "./stateless.ts";
import { checkToolCall } from "./tool-gate.ts";

/** The largest message: 4 MiB. */
const MAX_BODY = 4 * 1024 * 1024;

/** One path of the surface. */
export interface McpRoute {
  readonly path: string;
  readonly answer: (c: HttpContext) => Promise<Response>;
}

/** The routes, for every method. */
export const mcpRoutes: readonly McpRoute[] = [
  { path: "/mcp", answer: (c) => answerMcp(c, null) },
  { path: "/mcp/:server", answer: (c) => answerMcp(c, c.req.param("server") ?? "") },
];

async function answerMcp(c: HttpContext, server: string | null): Promise<Response> {
  const blocked = checkOrigin(c);
  if (blocked !== undefined) return blocked;
  const found = await authenticateMcp(c);
  if (!found.ok) return challenge(c, found);
  const { principal, credential, user, kind } = found.value;
  c.set("principal", principal);
  c.set("credential", credential);
  const answer = await serve({
    c,
    server,
    tokenUser: user,
    isToken: kind === "token",
    states: stateCodec(c, server),
    isStillIn: () => isStillIn(c, found.value),
    leave: new AbortController(),
  });
  for (const [name, value] of Object.entries(corsHeaders(c))) answer.headers.set(name, value);
  return answer;
}

/** Whether a credential that was taken still would be: a key by looking it up, a token by its time. */
async function isStillIn(c: HttpContext, { kind, credential, expiresAt }: AuthenticatedClient): Promise<boolean> {
  const { keys, system } = c.var.runtime.ports;
  return kind === "token" ? system.now() < (expiresAt ?? 0) : (await keys.find(credential)) !== undefined;
}

type Entering = Omit<Serving, "isModern" | "session">;

async function serve(entering: Entering): Promise<Response> {
  const { c } = entering;
  switch (c.req.method) {
    case "POST":
      return post(entering);
    case "GET":
      return serveSessionGet({ ...entering, isModern: false });
    case "DELETE":
      return serveSessionDelete({ ...entering, isModern: false });
    default:
      return rpcErrorResponse(405, { code: -32_000, message: `${c.req.method}: expected POST, GET or DELETE` });
  }
}

async function post(entering: Entering): Promise<Response> {
  const { c } = entering;
  if (!isJsonContentType(c.req.header("content-type") ?? null))
    return rpcErrorResponse(415, { code: -32_000, message: "Content-Type: expected application/json" });
  const body = await readBodyText(c, MAX_BODY);
  if (!body.ok) return refusedResponse(body);
  const parsed = parseExactJson(body.value.text);
  if (!parsed.ok) return unreadable(parsed);
  const isLegacy = await isLegacyRequest(c.req.raw, parsed.value);
  const stopped = await checkToolCall({ ...entering, isModern: !isLegacy }, parsed.value);
  if (stopped !== undefined) return stopped;
  return isLegacy
    ? serveSessionPost({ ...entering, isModern: false }, parsed.value)
    : serveStateless({ ...entering, isModern: true, session: null }, parsed.value);
}

type Unread = Exclude<ReturnType<typeof parseExactJson>, { readonly ok: true }>;

function unreadable(unread: Unread): Response {
  switch (unread.reason) {
    case "syntax":
      return rpcErrorResponse(400, { code: -32_700, message: "Parse error: the body is not valid JSON" });
    case "too_deep":
      return rpcErrorResponse(400, { code: -32_600, message: "the body is nested too deep" });
    case "inexact_number":
      return rpcErrorResponse(400, {
        code: -32_602,
        message: `${unread.path}: the number ${unread.source} cannot be held exactly; send it as a string`,
      });
    case "lone_surrogate":
      return rpcErrorResponse(400, { code: -32_602, message: `${unread.path}: expected well-formed Unicode` });
    default:
      return unread satisfies never;
  }
}
