// Starts an MCP server that offers all that the conformance suite asks for, in revisions 2026-07-28 and 2025-11-25.
import { randomUUID } from "node:crypto";
import {
  completable,
  createMcpHandler,
  hostHeaderValidationResponse,
  inputRequired,
  inputResponse,
  isLegacyRequest,
  localhostAllowedHostnames,
  localhostAllowedOrigins,
  McpServer,
  originValidationResponse,
  ResourceTemplate,
  WebStandardStreamableHTTPServerTransport,
  type EventStore,
  type GetPromptResult,
  type InputRequiredResult,
  type JSONRPCMessage,
} from "@modelcontextprotocol/server";
import * as z from "zod";
import { formOf, PIXEL, registerTools, requestState, type Changes } from "./reference-tools.ts";
import { serveWeb } from "./web-server.ts";

/** One request as it arrived. `method` is of the JSON-RPC message; empty for answers, and where there is no body. */
export interface RecordedCall {
  readonly httpMethod: string;
  readonly method: string;
  readonly params: Readonly<Record<string, unknown>>;
  readonly headers: Readonly<Record<string, string>>;
}

/** A running reference upstream. */
export interface ReferenceUpstream {
  /** Its endpoint, by the name `localhost`. */
  readonly url: string;
  /** What has arrived so far, in order. */
  calls(): readonly RecordedCall[];
  /** Tells whoever has subscribed to a resource that it changed. */
  touch(uri: string): Promise<void>;
  readonly stop: () => Promise<void>;
}

/** `modern` refuses sessions, `legacy` knows nothing else, `both` serves each client in its own revision. */
export type Era = "modern" | "legacy" | "both";

type Serve = (request: Request) => Promise<Response>;

/** Starts one on a free port. */
export async function startReferenceUpstream({
  era = "both",
}: { readonly era?: Era } = {}): Promise<ReferenceUpstream> {
  const calls: RecordedCall[] = [];
  const modern = createMcpHandler(() => newServer({ toolsChanged, promptsChanged }), { legacy: "reject" });
  function toolsChanged(): void {
    modern.notify.toolsChanged();
  }
  function promptsChanged(): void {
    modern.notify.promptsChanged();
  }
  const sessions = sessionsOf();
  const serve = async (request: Request): Promise<Response> => {
    const rejected =
      hostHeaderValidationResponse(request, localhostAllowedHostnames()) ??
      originValidationResponse(request, localhostAllowedOrigins());
    if (rejected !== undefined) return rejected;
    if (new URL(request.url).pathname !== "/mcp") return new Response(null, { status: 404 });
    calls.push(await recordOf(request));
    const isLegacy = era === "legacy" || (era === "both" && (await isLegacyRequest(request)));
    return isLegacy ? sessions.serve(request) : modern.fetch(request);
  };
  const listening = await serveWeb(serve);
  return {
    url: `http://localhost:${listening.port}/mcp`,
    calls: () => [...calls],
    touch: async (uri) => {
      modern.notify.resourceUpdated(uri);
      await sessions.touch(uri);
    },
    stop: async () => {
      await modern.close();
      await listening.stop();
    },
  };
}

async function recordOf(request: Request): Promise<RecordedCall> {
  const body = request.method === "POST" ? await request.clone().text() : "";
  let message: { readonly method?: unknown; readonly params?: unknown } = {};
  try {
    const parsed: unknown = JSON.parse(body);
    if (typeof parsed === "object" && parsed !== null) message = parsed;
  } catch {
    // A body that is no JSON is recorded as one without a method.
  }
  return {
    httpMethod: request.method,
    method: typeof message.method === "string" ? message.method : "",
    params: typeof message.params === "object" ? { ...message.params } : {},
    headers: Object.fromEntries(request.headers),
  };
}

/** Serves clients of 2025-11-25, each in a session with an event store, so that a tool can ask its client. */
function sessionsOf(): { readonly serve: Serve; readonly touch: (uri: string) => Promise<void> } {
  const transports = new Map<string, WebStandardStreamableHTTPServerTransport>();
  const touches: ((uri: string) => Promise<void>)[] = [];
  const serve: Serve = async (request) => {
    const id = request.headers.get("mcp-session-id");
    const known = id === null ? undefined : transports.get(id);
    if (known !== undefined) return known.handleRequest(request);
    if (id !== null) {
      const error = { code: -32_001, message: "Session not found" };
      return Response.json({ jsonrpc: "2.0", id: null, error }, { status: 404 });
    }
    const transport = new WebStandardStreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      eventStore: newEventStore(),
      retryInterval: 50,
      onsessioninitialized: (session) => void transports.set(session, transport),
      onsessionclosed: (session) => void transports.delete(session),
    });
    const server = newServer({
      toolsChanged: () => server.sendToolListChanged(),
      promptsChanged: () => server.sendPromptListChanged(),
    });
    const subscribed = new Set<string>();
    server.server.setRequestHandler("resources/subscribe", ({ params }) => {
      subscribed.add(params.uri);
      return {};
    });
    server.server.setRequestHandler("resources/unsubscribe", ({ params }) => {
      subscribed.delete(params.uri);
      return {};
    });
    touches.push(async (uri) => {
      if (subscribed.has(uri)) await server.server.sendResourceUpdated({ uri });
    });
    await server.connect(transport);
    return transport.handleRequest(request);
  };
  return {
    serve,
    touch: async (uri) => {
      await Promise.all(touches.map((touch) => touch(uri)));
    },
  };
}

function newEventStore(): EventStore {
  const events: { readonly id: string; readonly stream: string; readonly message: JSONRPCMessage }[] = [];
  return {
    storeEvent: (stream, message) => {
      const id = `${events.length}`;
      events.push({ id, stream, message });
      return Promise.resolve(id);
    },
    getStreamIdForEventId: (id) => Promise.resolve(events[Number(id)]?.stream),
    replayEventsAfter: async (lastId, { send }) => {
      const stream = events[Number(lastId)]?.stream ?? "";
      const later = events.slice(Number(lastId) + 1).filter((event) => event.stream === stream);
      for (const { id, message } of later) if (Object.keys(message).length > 0) await send(id, message);
      return stream;
    },
  };
}

function newServer(changes: Changes): McpServer {
  const server = new McpServer(
    { name: "reference-upstream", version: "1.0.0" },
    {
      capabilities: {
        tools: { listChanged: true },
        prompts: { listChanged: true },
        resources: { subscribe: true, listChanged: true },
        logging: {},
        completions: {},
      },
      cacheHints: { "tools/list": { ttlMs: 1_000, cacheScope: "private" } },
      requestState: { verify: (state, ctx) => requestState.verify(state, ctx) },
    },
  );
  registerTools(server, changes);
  registerResources(server);
  registerPrompts(server);
  return server;
}

function registerResources(server: McpServer): void {
  const described = (description: string, mimeType: string) => ({ description, mimeType });
  server.registerResource("static-text", "test://static-text", described("A text.", "text/plain"), ({ href }) => ({
    contents: [{ uri: href, mimeType: "text/plain", text: "This is the content of the static text resource." }],
  }));
  server.registerResource("static-binary", "test://static-binary", described("A pixel.", "image/png"), ({ href }) => ({
    contents: [{ uri: href, mimeType: "image/png", blob: PIXEL }],
  }));
  server.registerResource("watched", "test://watched-resource", described("A text.", "text/plain"), ({ href }) => ({
    contents: [{ uri: href, mimeType: "text/plain", text: "Watched resource content" }],
  }));
  server.registerResource(
    "template",
    new ResourceTemplate("test://template/{id}/data", {
      list: undefined,
      complete: { id: (value) => ["123", "124", "200"].filter((id) => id.startsWith(value)) },
    }),
    described("Data by id.", "application/json"),
    ({ href }, { id }) => {
      const data = { id, templateTest: true, data: `Data for ID: ${String(id)}` };
      return { contents: [{ uri: href, mimeType: "application/json", text: JSON.stringify(data) }] };
    },
  );
}

const said = (text: string): GetPromptResult["messages"][number] => ({ role: "user", content: { type: "text", text } });

function registerPrompts(server: McpServer): void {
  server.registerPrompt("test_simple_prompt", { description: "Says one thing." }, () => ({
    messages: [said("This is a simple prompt for testing.")],
  }));
  const cities = (value: string): string[] => ["paris", "park", "party"].filter((word) => word.startsWith(value));
  server.registerPrompt(
    "test_prompt_with_arguments",
    {
      description: "Repeats its arguments.",
      argsSchema: z.object({ arg1: completable(z.string(), cities), arg2: z.string() }),
    },
    ({ arg1, arg2 }) => ({ messages: [said(`Prompt with arguments: arg1='${arg1}', arg2='${arg2}'`)] }),
  );
  server.registerPrompt(
    "test_prompt_with_embedded_resource",
    { description: "Embeds a resource.", argsSchema: z.object({ resourceUri: z.string() }) },
    ({ resourceUri: uri }) => {
      const resource = { uri, mimeType: "text/plain", text: "Embedded resource content for testing." };
      return {
        messages: [
          { role: "user", content: { type: "resource", resource } },
          said("Please process the embedded resource above."),
        ],
      };
    },
  );
  server.registerPrompt("test_prompt_with_image", { description: "Shows an image." }, () => ({
    messages: [
      { role: "user", content: { type: "image", data: PIXEL, mimeType: "image/png" } },
      said("Please analyze the image above."),
    ],
  }));
  server.registerPrompt(
    "test_input_required_result_prompt",
    { description: "Asks for its context." },
    (ctx): GetPromptResult | InputRequiredResult => {
      const view = inputResponse(ctx.mcpReq.inputResponses, "user_context");
      if (view.kind === "elicit") return { messages: [said(`Context: ${JSON.stringify(view.content ?? {})}`)] };
      return inputRequired({
        inputRequests: { user_context: formOf("What context should the prompt use?", "context") },
      });
    },
  );
}
