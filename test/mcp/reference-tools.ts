// Registers the tools that the MCP conformance suite calls, written once for sessions and for requests that stand alone.
import {
  CLIENT_CAPABILITIES_META_KEY,
  createRequestStateCodec,
  fromJsonSchema,
  inputRequired,
  inputResponse,
  type CallToolResult,
  type ClientCapabilities,
  type InputRequiredResult,
  type McpServer,
  type ServerContext,
} from "@modelcontextprotocol/server";
import * as z from "zod";

/** One red pixel. */
export const PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg==";
const SILENCE = "UklGRiYAAABXQVZFZm10IBAAAAABAAEAQB8AAAB9AAACABAAZGF0YQIAAAA=";

/** Seals what a tool remembers between its rounds. */
export const requestState = createRequestStateCodec<{ readonly round: number }>({
  key: "the reference upstream's key, thirty-two bytes or more",
});

/** What a tool can cause beside its answer. */
export interface Changes {
  toolsChanged(): void;
  promptsChanged(): void;
}

type Answer = CallToolResult | InputRequiredResult;

const text = (value: string): CallToolResult => ({ content: [{ type: "text", text: value }] });
const pause = (ms = 50): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const embedded = (uri: string, mimeType: string, value: string): CallToolResult["content"][number] => ({
  type: "resource",
  resource: { uri, mimeType, text: value },
});
const NONE = z.object({});

/** Every tool of the reference upstream. */
export function registerTools(server: McpServer, changes: Changes): void {
  registerContent(server);
  registerNotifying(server, changes);
  registerAsking(server);
  registerRounds(server);
  registerCapabilities(server);
  registerSchemas(server);
}

function registerContent(server: McpServer): void {
  const plain = (name: string, answer: CallToolResult): void => {
    server.registerTool(name, { description: `Answers what ${name} stands for.` }, () => answer);
  };
  const image = { type: "image", data: PIXEL, mimeType: "image/png" } as const;
  plain("test_simple_text", text("This is a simple text response for testing."));
  plain("test_image_content", { content: [image] });
  plain("test_audio_content", { content: [{ type: "audio", data: SILENCE, mimeType: "audio/wav" }] });
  plain("test_embedded_resource", {
    content: [embedded("test://embedded-resource", "text/plain", "This is an embedded resource content.")],
  });
  plain("test_multiple_content_types", {
    content: [
      { type: "text", text: "Multiple content types test:" },
      image,
      embedded("test://mixed-content-resource", "application/json", '{"test":"data","value":123}'),
    ],
  });
  server.registerTool("test_error_handling", { description: "Always fails." }, () => {
    throw new Error("This tool intentionally returns an error for testing");
  });
}

function registerNotifying(server: McpServer, changes: Changes): void {
  const logging = async (_: unknown, ctx: ServerContext): Promise<CallToolResult> => {
    for (const step of ["Tool execution started", "Tool processing data", "Tool execution completed"]) {
      await ctx.mcpReq.log("info", step);
      await pause();
    }
    return text("Logged thrice.");
  };
  const logs = { description: "Logs three lines.", inputSchema: NONE };
  server.registerTool("test_tool_with_logging", logs, logging);
  server.registerTool("test_logging_tool", logs, logging);
  server.registerTool(
    "test_tool_with_progress",
    { description: "Tells its progress in three steps.", inputSchema: NONE },
    async (_, ctx) => {
      const progressToken = ctx.mcpReq._meta?.progressToken;
      for (const progress of [0, 50, 100]) {
        const params = { progressToken, progress, total: 100, message: `Step ${progress} of 100` };
        if (progressToken !== undefined) await ctx.mcpReq.notify({ method: "notifications/progress", params });
        await pause();
      }
      return text("Done in three steps.");
    },
  );
  server.registerTool(
    "test_reconnection",
    { description: "Closes its stream in the middle.", inputSchema: NONE },
    async (_, ctx) => {
      ctx.http?.closeSSE?.();
      await pause(100);
      return text("The answer came after the stream was closed.");
    },
  );
  server.registerTool("test_trigger_tool_change", { description: "Says that the tools changed." }, () => {
    changes.toolsChanged();
    return text("The tools changed.");
  });
  server.registerTool("test_trigger_prompt_change", { description: "Says that the prompts changed." }, () => {
    changes.promptsChanged();
    return text("The prompts changed.");
  });
}

type ElicitParams = Parameters<typeof inputRequired.elicit>[0];
type ElicitSchema = ElicitParams["requestedSchema"];

/** Asks once; whatever the user did is the answer. */
function asked(ctx: ServerContext, label: string, params: ElicitParams): Answer {
  const view = inputResponse(ctx.mcpReq.inputResponses, "answer");
  if (view.kind !== "elicit") return inputRequired({ inputRequests: { answer: inputRequired.elicit(params) } });
  return text(`${label}: action=${view.action}, content=${JSON.stringify(view.content ?? {})}`);
}

const named = (property: string): ElicitSchema => ({
  type: "object",
  properties: { [property]: { type: "string" } },
  required: [property],
});
const sampling = (prompt: string, maxTokens = 100) =>
  inputRequired.createMessage({
    messages: [{ role: "user", content: { type: "text", text: prompt } }],
    maxTokens,
  });

function sampled(ctx: ServerContext, key: string): string | undefined {
  const view = inputResponse(ctx.mcpReq.inputResponses, key);
  if (view.kind !== "sampling") return undefined;
  const content = [view.result.content].flat();
  return content.map((each) => (each.type === "text" ? each.text : each.type)).join("");
}

function registerAsking(server: McpServer): void {
  server.registerTool(
    "test_sampling",
    { description: "Asks the client's model.", inputSchema: z.object({ prompt: z.string() }) },
    ({ prompt }, ctx): Answer => {
      const said = sampled(ctx, "answer");
      return said === undefined
        ? inputRequired({ inputRequests: { answer: sampling(prompt) } })
        : text(`LLM response: ${said}`);
    },
  );
  const person: ElicitSchema = {
    type: "object",
    properties: {
      username: { type: "string", description: "User's response" },
      email: { type: "string", description: "User's email address" },
    },
    required: ["username", "email"],
  };
  server.registerTool(
    "test_elicitation",
    { description: "Asks the user.", inputSchema: z.object({ message: z.string() }) },
    ({ message }, ctx) => asked(ctx, "User response", { message, requestedSchema: person }),
  );
  server.registerTool(
    "test_elicitation_sep1034_defaults",
    { description: "Asks with defaults.", inputSchema: NONE },
    (_, ctx) => asked(ctx, "Elicitation completed", { message: "Please review", requestedSchema: DEFAULTS }),
  );
  server.registerTool(
    "test_elicitation_sep1330_enums",
    { description: "Asks with choices.", inputSchema: NONE },
    (_, ctx) => asked(ctx, "Elicitation completed", { message: "Please choose", requestedSchema: CHOICES }),
  );
  server.registerTool(
    "test_streaming_elicitation",
    { description: "Asks on its stream.", inputSchema: NONE },
    (_, ctx) => asked(ctx, "User response", { message: "Who are you?", requestedSchema: named("name") }),
  );
}

const DEFAULTS: ElicitSchema = {
  type: "object",
  properties: {
    name: { type: "string", default: "John Doe" },
    age: { type: "integer", default: 30 },
    score: { type: "number", default: 95.5 },
    status: { type: "string", enum: ["active", "inactive", "pending"], default: "active" },
    verified: { type: "boolean", default: true },
  },
  required: [],
};
const OPTIONS = ["option1", "option2", "option3"];
const titled = (noun: string): { const: string; title: string }[] =>
  ["First", "Second", "Third"].map((title, index) => ({ const: `value${index + 1}`, title: `${title} ${noun}` }));
const CHOICES: ElicitSchema = {
  type: "object",
  properties: {
    untitledSingle: { type: "string", enum: OPTIONS },
    titledSingle: { type: "string", oneOf: titled("Option") },
    legacyEnum: {
      type: "string",
      enum: ["opt1", "opt2", "opt3"],
      enumNames: ["Option One", "Option Two", "Option Three"],
    },
    untitledMulti: { type: "array", items: { type: "string", enum: OPTIONS } },
    titledMulti: { type: "array", items: { anyOf: titled("Choice") } },
  },
  required: [],
};

/** What a form was answered with under `property`, if it was accepted with a text there. */
function accepted(ctx: ServerContext, key: string, property: string): string | undefined {
  const view = inputResponse(ctx.mcpReq.inputResponses, key);
  const value = view.kind === "elicit" && view.action === "accept" ? view.content?.[property] : undefined;
  return typeof value === "string" ? value : undefined;
}

/** The form that asks for one text. */
export const formOf = (message: string, property: string): ReturnType<typeof inputRequired.elicit> =>
  inputRequired.elicit({ message, requestedSchema: named(property) });

function registerRounds(server: McpServer): void {
  const tool = (name: string, description: string, answer: (ctx: ServerContext) => Answer | Promise<Answer>): void => {
    server.registerTool(`test_input_required_result_${name}`, { description, inputSchema: NONE }, (_, ctx) =>
      answer(ctx),
    );
  };
  tool("elicitation", "Asks for a name.", (ctx) => {
    const name = accepted(ctx, "user_name", "name");
    if (name !== undefined) return text(`Hello, ${name}!`);
    return inputRequired({ inputRequests: { user_name: formOf("What is your name?", "name") } });
  });
  tool("sampling", "Asks for a capital.", (ctx) => {
    const said = sampled(ctx, "capital_question");
    if (said !== undefined) return text(said);
    return inputRequired({ inputRequests: { capital_question: sampling("What is the capital of France?") } });
  });
  tool("list_roots", "Asks for the roots.", (ctx) => {
    const view = inputResponse(ctx.mcpReq.inputResponses, "client_roots");
    if (view.kind === "roots") return text(`Roots: ${view.roots.map((root) => root.uri).join(", ")}`);
    return inputRequired({ inputRequests: { client_roots: inputRequired.listRoots() } });
  });
  const confirmed = async (ctx: ServerContext): Promise<Answer> => {
    const view = inputResponse(ctx.mcpReq.inputResponses, "confirm");
    if (view.kind === "elicit" && ctx.mcpReq.requestState() !== undefined) return text("state-ok");
    const requestedSchema: ElicitSchema = {
      type: "object",
      properties: { ok: { type: "boolean" } },
      required: ["ok"],
    };
    return inputRequired({
      inputRequests: { confirm: inputRequired.elicit({ message: "Please confirm", requestedSchema }) },
      requestState: await requestState.mint({ round: 1 }),
    });
  };
  tool("request_state", "Asks, and remembers that it did.", confirmed);
  tool("tampered_state", "Asks, and sees whether its memory was changed.", confirmed);
  tool("multiple_inputs", "Asks for three things at once.", async (ctx) => {
    const name = accepted(ctx, "user_name", "name");
    const greeting = sampled(ctx, "greeting");
    const roots = inputResponse(ctx.mcpReq.inputResponses, "client_roots");
    if (name !== undefined && greeting !== undefined && roots.kind === "roots") {
      return text(`${greeting} ${name}, ${roots.roots.length} roots`);
    }
    return inputRequired({
      inputRequests: {
        user_name: formOf("What is your name?", "name"),
        greeting: sampling("Generate a greeting", 50),
        client_roots: inputRequired.listRoots(),
      },
      requestState: await requestState.mint({ round: 1 }),
    });
  });
  tool("multi_round", "Asks twice.", async (ctx) => {
    const round = ctx.mcpReq.requestState<{ readonly round: number }>()?.round ?? 0;
    const color = accepted(ctx, "step2", "color");
    if (round >= 2 && color !== undefined) return text(`Your color is ${color}.`);
    const isSecond = round >= 2 || (round === 1 && accepted(ctx, "step1", "name") !== undefined);
    return inputRequired({
      inputRequests: isSecond
        ? { step2: formOf("Step 2: What is your favorite color?", "color") }
        : { step1: formOf("Step 1: What is your name?", "name") },
      requestState: await requestState.mint({ round: isSecond ? 2 : 1 }),
    });
  });
}

function registerCapabilities(server: McpServer): void {
  const declared = (ctx: ServerContext): ClientCapabilities =>
    Object.entries(ctx.mcpReq.envelope ?? {}).find(([key]) => key === CLIENT_CAPABILITIES_META_KEY)?.[1] ??
    server.server.getClientCapabilities() ??
    {};
  server.registerTool(
    "test_input_required_result_capabilities",
    { description: "Asks only what the client can answer.", inputSchema: NONE },
    (_, ctx): Answer => {
      const can = declared(ctx);
      const said = sampled(ctx, "greeting") ?? accepted(ctx, "user_name", "name");
      if (said !== undefined || (can.sampling === undefined && can.elicitation === undefined)) return text(said ?? "");
      return inputRequired({
        inputRequests: {
          ...(can.sampling === undefined ? {} : { greeting: sampling("Generate a greeting", 50) }),
          ...(can.elicitation === undefined ? {} : { user_name: formOf("What is your name?", "name") }),
        },
      });
    },
  );
  server.registerTool(
    "test_missing_capability",
    { description: "Needs a client with a model.", inputSchema: NONE },
    // The SDK refuses to ask what the client has not declared.
    (_, ctx): Answer => {
      const said = sampled(ctx, "answer");
      return said === undefined ? inputRequired({ inputRequests: { answer: sampling("Are you there?") } }) : text(said);
    },
  );
}

function registerSchemas(server: McpServer): void {
  server.registerTool(
    "json_schema_2020_12_tool",
    { description: "Has a schema with every vocabulary.", inputSchema: fromJsonSchema(SCHEMA_2020_12) },
    () => text("The arguments fit."),
  );
  server.registerTool(
    "test_custom_headers",
    {
      description: "Has arguments that stand in headers too.",
      inputSchema: fromJsonSchema<{ region: string }>(SCHEMA_WITH_HEADERS),
    },
    ({ region }) => text(`In ${region}.`),
  );
  server.registerTool(
    "structured_sum",
    {
      description: "Adds two numbers.",
      inputSchema: z.object({ a: z.number(), b: z.number() }),
      outputSchema: z.object({ sum: z.number() }),
    },
    ({ a, b }) => ({ ...text(String(a + b)), structuredContent: { sum: a + b } }),
  );
}

const SCHEMA_2020_12 = {
  $schema: "https://json-schema.org/draft/2020-12/schema",
  type: "object" as const,
  $defs: {
    address: {
      $anchor: "addressDef",
      type: "object",
      properties: { street: { type: "string" }, city: { type: "string" } },
    },
  },
  properties: {
    name: { type: "string" },
    address: { $ref: "#/$defs/address" },
    contactMethod: { type: "string", enum: ["phone", "email"] },
    phone: { type: "string" },
    email: { type: "string" },
  },
  allOf: [{ anyOf: [{ required: ["phone"] }, { required: ["email"] }] }],
  if: { properties: { contactMethod: { const: "phone" } }, required: ["contactMethod"] },
  // oxlint-disable-next-line unicorn/no-thenable -- a keyword of JSON Schema
  then: { required: ["phone"] },
  else: { required: ["email"] },
  additionalProperties: false,
};

const SCHEMA_WITH_HEADERS = {
  type: "object" as const,
  properties: {
    region: { type: "string", "x-mcp-header": "Region" },
    priority: { type: "integer", "x-mcp-header": "Priority" },
  },
  required: ["region"],
};
