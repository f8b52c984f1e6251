// Drives the MCP clients that people use, each through its own interface, so that one test can ask the same of all.
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { createMCPClient, ElicitationRequestSchema } from "@ai-sdk/mcp";
import { Client as ClientV2, StreamableHTTPClientTransport as TransportV2 } from "@modelcontextprotocol/client";
import { Client as ClientV1 } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport as TransportV1 } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { ElicitRequestSchema } from "@modelcontextprotocol/sdk/types.js";
import { MCPServerStreamableHttp } from "@openai/agents";
import type { Endpoint, SubjectKind } from "./subject.ts";

type Args = Readonly<Record<string, unknown>>;

/** What a tool answered: the texts of its content joined, its structured content, and whether it says that it failed. */
export interface ToolAnswer {
  readonly text: string;
  readonly structured: unknown;
  readonly isError: boolean;
}

/** A connected client. What it has no interface for is missing. */
export interface Driver {
  /** The revision that was agreed on, where the client tells it. */
  readonly revision?: string | undefined;
  readonly listTools: () => Promise<readonly string[]>;
  readonly callTool: (
    name: string,
    args: Args,
    onProgress?: (progress: number, total: number) => void,
  ) => Promise<ToolAnswer>;
  readonly listResources?: () => Promise<readonly string[]>;
  readonly readResource?: (uri: string) => Promise<string>;
  readonly listPrompts?: () => Promise<readonly string[]>;
  readonly getPrompt?: (name: string, args: Readonly<Record<string, string>>) => Promise<string>;
  readonly complete?: (
    prompt: string,
    argument: string,
    value: string,
    context?: Readonly<Record<string, string>>,
  ) => Promise<readonly string[]>;
  readonly close: () => Promise<void>;
}

/** What a client can be asked for beside its tools. */
export type Feature = "progress" | "resources" | "prompts" | "completion" | "asking";

/** A client by name. */
export interface DriverKind {
  readonly name: string;
  readonly features: readonly Feature[];
  readonly connect: (endpoint: Endpoint, kind: SubjectKind) => Promise<Driver>;
}

const INFO = { name: "interlock-tests", version: "1.0.0" };
const WHOLE = ["progress", "resources", "prompts", "completion", "asking"] as const;

/** Fills every field of a form with the same word. */
function filled(requestedSchema: unknown): Record<string, string> {
  const properties = memberOf(requestedSchema, "properties");
  return Object.fromEntries(Object.keys(properties ?? {}).map((name) => [name, "Ada"]));
}

function memberOf(value: unknown, key: string): object | undefined {
  const member: unknown = typeof value === "object" && value !== null ? Reflect.get(value, key) : undefined;
  return typeof member === "object" && member !== null ? member : undefined;
}

/** The texts in content blocks of whatever client. */
function textOf(content: unknown): string {
  const blocks: readonly unknown[] = Array.isArray(content) ? content : [];
  return blocks
    .map((block) => (typeof block === "object" && block !== null ? (Reflect.get(block, "text") as unknown) : undefined))
    .filter((text) => typeof text === "string")
    .join("\n");
}

function answerOf(result: object): ToolAnswer {
  return {
    text: textOf(Reflect.get(result, "content")),
    structured: Reflect.get(result, "structuredContent"),
    isError: Reflect.get(result, "isError") === true,
  };
}

const messagesOf = (messages: readonly { readonly content: unknown }[]): string =>
  messages.map((message) => textOf([message.content])).join("\n");

/** What the clients of all three SDKs are asked for beside tools, in the same words. */
interface AsksBesideTools {
  listResources(): Promise<{ readonly resources: readonly { readonly uri: string }[] }>;
  readResource(params: { uri: string }): Promise<{ readonly contents: unknown }>;
  listPrompts(): Promise<{ readonly prompts: readonly { readonly name: string }[] }>;
  getPrompt(params: {
    name: string;
    arguments: Record<string, string>;
  }): Promise<{ readonly messages: readonly { readonly content: unknown }[] }>;
  complete(params: {
    ref: { type: "ref/prompt"; name: string };
    argument: { name: string; value: string };
    context?: { arguments: Record<string, string> };
  }): Promise<{ readonly completion: { readonly values: readonly string[] } }>;
}

function besideTools(
  client: AsksBesideTools,
): Pick<Driver, "listResources" | "readResource" | "listPrompts" | "getPrompt" | "complete"> {
  return {
    listResources: async () => (await client.listResources()).resources.map((resource) => resource.uri),
    readResource: async (uri) => textOf((await client.readResource({ uri })).contents),
    listPrompts: async () => (await client.listPrompts()).prompts.map((prompt) => prompt.name),
    getPrompt: async (name, args) => messagesOf((await client.getPrompt({ name, arguments: { ...args } })).messages),
    complete: async (name, argument, value, context) =>
      (
        await client.complete({
          ref: { type: "ref/prompt", name },
          argument: { name: argument, value },
          ...(context === undefined ? {} : { context: { arguments: { ...context } } }),
        })
      ).completion.values,
  };
}

/** The official client of the second generation. Servers that know no 2026-07-28 are met with what they know. */
async function connectV2(endpoint: Endpoint, mode: "legacy" | "auto" | { readonly pin: string }): Promise<Driver> {
  const client = new ClientV2(INFO, {
    capabilities: { elicitation: { form: {} } },
    versionNegotiation: { mode },
  });
  client.setRequestHandler("elicitation/create", ({ params }) => ({
    action: "accept",
    content: filled(Reflect.get(params, "requestedSchema")),
  }));
  await client.connect(new TransportV2(new URL(endpoint.url), { requestInit: { headers: { ...endpoint.headers } } }));
  return {
    revision: client.getNegotiatedProtocolVersion(),
    listTools: async () => (await client.listTools()).tools.map((tool) => tool.name),
    callTool: async (name, args, onProgress) =>
      answerOf(
        await client.callTool(
          { name, arguments: { ...args } },
          onProgress === undefined ? {} : { onprogress: ({ progress, total }) => onProgress(progress, total ?? 0) },
        ),
      ),
    ...besideTools(client),
    close: () => client.close(),
  };
}

/** The official client of the first generation. */
async function connectV1(endpoint: Endpoint): Promise<Driver> {
  const client = new ClientV1(INFO, { capabilities: { elicitation: {} } });
  client.setRequestHandler(ElicitRequestSchema, ({ params }) => ({
    action: "accept",
    content: filled(Reflect.get(params, "requestedSchema")),
  }));
  const transport = new TransportV1(new URL(endpoint.url), { requestInit: { headers: { ...endpoint.headers } } });
  await client.connect(transport);
  return {
    revision: transport.protocolVersion,
    listTools: async () => (await client.listTools()).tools.map((tool) => tool.name),
    callTool: async (name, args, onProgress) =>
      answerOf(
        await client.callTool(
          { name, arguments: { ...args } },
          undefined,
          onProgress === undefined ? {} : { onprogress: ({ progress, total }) => onProgress(progress, total ?? 0) },
        ),
      ),
    ...besideTools(client),
    close: async () => {
      await transport.terminateSession();
      await client.close();
    },
  };
}

/** The AI SDK's client; tools are run as a model loop runs them. */
async function connectAiSdk(endpoint: Endpoint): Promise<Driver> {
  const client = await createMCPClient({
    transport: { type: "http", url: endpoint.url, headers: { ...endpoint.headers } },
    capabilities: { elicitation: {} },
  });
  client.onElicitationRequest(ElicitationRequestSchema, ({ params }) => ({
    action: "accept",
    content: filled(params.requestedSchema),
  }));
  return {
    listTools: async () => Object.keys(await client.tools()),
    callTool: async (name, args) => {
      const { [name]: tool } = await client.tools();
      if (tool === undefined) throw new Error(`no tool ${name}`);
      const result = await tool.execute({ ...args }, { toolCallId: "call_1", messages: [], context: {} });
      return answerOf(result as object);
    },
    ...besideTools(client),
    close: () => client.close(),
  };
}

/** The OpenAI Agents SDK's server over Streamable HTTP. */
async function connectAgents(endpoint: Endpoint): Promise<Driver> {
  const server = new MCPServerStreamableHttp({ url: endpoint.url, requestInit: { headers: { ...endpoint.headers } } });
  await server.connect();
  return {
    listTools: async () => (await server.listTools()).map((tool) => tool.name),
    callTool: async (name, args) => answerOf(await server.callToolResult(name, { ...args })),
    listResources: async () => (await server.listResources()).resources.map((resource) => resource.uri),
    readResource: async (uri) => textOf((await server.readResource(uri)).contents),
    close: () => server.close(),
  };
}

const INSPECTOR = path.join(
  import.meta.dirname,
  "../../node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js",
);
const run = promisify(execFile);

/** The Inspector's command line: one process, and one connection, for each thing asked. */
function connectInspector(endpoint: Endpoint, era: "legacy" | "auto"): Promise<Driver> {
  const home = mkdtempSync(path.join(tmpdir(), "interlock-inspector-"));
  const ask = async (method: string, ...more: readonly string[]): Promise<object> => {
    const header = Object.entries(endpoint.headers).flatMap(([name, value]) => ["--header", `${name}: ${value}`]);
    const at = ["--cli", "--server-url", endpoint.url, "--transport", "http", "--protocol-era", era, ...header];
    const { stdout } = await run(
      process.execPath,
      [INSPECTOR, ...at, "--stored-auth-only", "--format", "json", "--method", method, ...more],
      { env: { ...process.env, HOME: home }, timeout: 30_000 },
    );
    const result = memberOf(JSON.parse(stdout), "result");
    if (result === undefined) throw new Error(`the Inspector printed ${stdout}`);
    return result;
  };
  const each = (result: object, list: string, key: string): readonly string[] => {
    const found: unknown = Reflect.get(result, list);
    return Array.isArray(found) ? found.map((item: object) => String(Reflect.get(item, key))) : [];
  };
  return Promise.resolve({
    listTools: async () => each(await ask("tools/list"), "tools", "name"),
    callTool: async (name, args) =>
      answerOf(await ask("tools/call", "--tool-name", name, "--tool-args-json", JSON.stringify(args))),
    listResources: async () => each(await ask("resources/list"), "resources", "uri"),
    readResource: async (uri) => textOf(Reflect.get(await ask("resources/read", "--uri", uri), "contents")),
    listPrompts: async () => each(await ask("prompts/list"), "prompts", "name"),
    getPrompt: async (name, args) => {
      const pairs = Object.entries(args).flatMap(([key, value]) => ["--prompt-args", `${key}=${value}`]);
      const messages: unknown = Reflect.get(await ask("prompts/get", "--prompt-name", name, ...pairs), "messages");
      return messagesOf(Array.isArray(messages) ? (messages as { content: unknown }[]) : []);
    },
    close: () => Promise.resolve(rmSync(home, { recursive: true, force: true })),
  });
}

/** Every client. In 2026-07-28 where it can be asked for it; by itself, a server of 2025-11-25 is then met in its own. */
export const DRIVERS: readonly DriverKind[] = [
  {
    name: "the official client v2 in 2026-07-28",
    features: WHOLE,
    connect: (endpoint, kind) => connectV2(endpoint, kind === "gateway" ? { pin: "2026-07-28" } : "auto"),
  },
  {
    name: "the official client v2 in 2025-11-25",
    features: WHOLE,
    connect: (endpoint) => connectV2(endpoint, "legacy"),
  },
  { name: "the official client v1", features: WHOLE, connect: connectV1 },
  { name: "the AI SDK", features: ["resources", "prompts", "completion", "asking"], connect: connectAiSdk },
  { name: "the OpenAI Agents SDK", features: ["resources"], connect: connectAgents },
  {
    name: "the Inspector in 2025-11-25",
    features: ["resources", "prompts"],
    connect: (endpoint) => connectInspector(endpoint, "legacy"),
  },
  {
    name: "the Inspector, newest first",
    features: ["resources", "prompts"],
    connect: (endpoint) => connectInspector(endpoint, "auto"),
  },
];
