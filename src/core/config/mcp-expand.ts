// Decides which tools the accepted definitions of an MCP server are: each held to the settings that name it most exactly.
import type { Mistake } from "../errors.ts";
import { definitionSetDigest, definitionsExcess, readDefinitions, type McpDefinition } from "../mcp/definitions.ts";
import type { JsonObject } from "../json/canonical.ts";
import { SERVICE_ORIGIN } from "../tools/request.ts";
import type { ConfigDocument, ToolEntry } from "./document.ts";
import { didYouMean } from "./mistakes.ts";
import type { McpServerEntry, McpToolSettings } from "./mcp-document.ts";

/** What the servers of a document come to. */
export interface McpExpansion {
  /** The servers, each with the definitions that count. */
  readonly servers: Readonly<Record<string, McpServerEntry>>;
  /** The tools by their names, and the path of the server that each is from. */
  readonly tools: readonly {
    readonly name: string;
    readonly tool: Readonly<Record<string, unknown>>;
    readonly path: string;
  }[];
  readonly mistakes: readonly Mistake[];
  readonly warnings: readonly Mistake[];
}

/** What an MCP server offers besides tools, by the names under which settings find it. */
const BESIDES = {
  "resources.read": {
    kind: "resource",
    description: "Reads a resource of the MCP server by its URI.",
    input_schema: {
      type: "object",
      properties: { uri: { type: "string", minLength: 1, maxLength: 8192 } },
      required: ["uri"],
      additionalProperties: false,
    },
  },
  "prompts.get": {
    kind: "prompt",
    description: "Gets a prompt of the MCP server, filled with arguments.",
    input_schema: {
      type: "object",
      properties: {
        name: { type: "string", minLength: 1, maxLength: 256 },
        arguments: { type: "object", additionalProperties: { type: "string" } },
      },
      required: ["name"],
      additionalProperties: false,
    },
  },
} as const;

const MAX_DESCRIPTION = 4096;

/** Whether a tool was made from a server of the document; it is made anew whenever the document is read. */
export function isMadeFromServer({ kind, mcp }: ToolEntry, { servers }: ConfigDocument["mcp"]): boolean {
  return kind === "mcp" && mcp !== undefined && Object.hasOwn(servers, mcp.server);
}

/**
 * The tools of every server. Definitions that a candidate leaves out are those of the active version, as long as the
 * server is where it was.
 */
export function expandMcp(mcp: ConfigDocument["mcp"], active: ConfigDocument["mcp"] | undefined): McpExpansion {
  const expanded = Object.entries(mcp.servers).map(([name, server]) => {
    const before = active !== undefined && Object.hasOwn(active.servers, name) ? active.servers[name] : undefined;
    return [name, expandServer(name, server, before)] as const;
  });
  return {
    servers: Object.fromEntries(expanded.map(([name, { server }]) => [name, server])),
    tools: expanded.flatMap(([, { tools }]) => tools),
    mistakes: expanded.flatMap(([, { mistakes }]) => mistakes),
    warnings: expanded.flatMap(([, { warnings }]) => warnings),
  };
}

type Expanded = Omit<McpExpansion, "servers"> & { readonly server: McpServerEntry };

function expandServer(name: string, given: McpServerEntry, before: McpServerEntry | undefined): Expanded {
  const path = `mcp.servers.${name}`;
  const kept = keptDefinitions(given, before);
  const server = { ...given, definitions: [...kept.definitions] };
  // What a parsed document holds was JSON.
  const sent = server.definitions as readonly JsonObject[];
  const excess = definitionsExcess(sent);
  if (excess !== null)
    return { server, tools: [], mistakes: [{ path: `${path}.definitions`, message: excess }], warnings: [] };
  const definitions = readDefinitions(sent);
  const usable = definitions.filter(({ unusable }) => unusable === null);
  const set = server.pin === "server" ? { set: definitionSetDigest(definitions) } : {};
  const besides = (["resources.read", "prompts.get"] as const).filter(
    (each) => server[each === "resources.read" ? "resources" : "prompts"] !== false,
  );
  const made = [
    ...usable.map((each) => ({ name: each.name, tool: toolOf(name, server, each, set) })),
    ...besides.map((each) => ({ name: each, tool: besideOf(name, server, each, set) })),
  ].filter(({ name: own }) => settingsOf(server, own).hidden !== true);
  const told = (message: string, at = path): Mistake => ({ path: at, message });
  return {
    server,
    tools: made.map(({ name: own, tool }) => ({ name: `${name}.${own}`, tool, path })),
    mistakes: [],
    warnings: [
      ...kept.warnings.map((each) => told(each, `${path}.definitions`)),
      ...definitions.flatMap(({ name: own, unusable }) =>
        unusable === null ? [] : [told(`"${own}" becomes no tool: ${unusable}`, `${path}.definitions`)],
      ),
      ...undecidedEffects(server, usable).map((each) => told(each, `${path}.tools`)),
      ...(definitions.length === 0
        ? []
        : unmatchedSettings(path, server, [...usable.map((each) => each.name), ...besides])),
    ],
  };
}

function keptDefinitions(
  server: McpServerEntry,
  before: McpServerEntry | undefined,
): { readonly definitions: NonNullable<McpServerEntry["definitions"]>; readonly warnings: readonly string[] } {
  if (server.definitions !== undefined) return { definitions: server.definitions, warnings: [] };
  const accepted = before?.definitions ?? [];
  const isSame = before?.url === server.url && before.service === server.service;
  if (isSame || accepted.length === 0)
    return {
      definitions: accepted,
      warnings:
        accepted.length > 0 ? [] : ["nothing is accepted of this server: `interlock mcp show` tells what it offers"],
    };
  return {
    definitions: [],
    warnings: [`the server is elsewhere now: its ${accepted.length} accepted definitions are dropped`],
  };
}

/** The settings of a tool: of `*`, of every longer prefix, of its exact name, each over the ones before. */
export function settingsOf({ tools }: Pick<McpServerEntry, "tools">, name: string): McpToolSettings {
  const matching = Object.keys(tools)
    .filter((key) => key === name || (key.endsWith("*") && name.startsWith(key.slice(0, -1))))
    .toSorted((a, b) => (a === name ? 1 : b === name ? -1 : a.length - b.length));
  return Object.assign({}, ...matching.map((key) => tools[key])) as McpToolSettings;
}

/** What a call of a tool does where nobody has said so. */
export const UNDECIDED_EFFECT = "irreversible";

function undecidedEffects(server: McpServerEntry, usable: readonly McpDefinition[]): readonly string[] {
  const undecided = usable
    .map(({ name }) => ({ name, settings: settingsOf(server, name) }))
    .filter(({ settings }) => settings.effect === undefined && settings.hidden !== true);
  if (undecided.length === 0) return [];
  const names = undecided.map(({ name }) => `"${name}"`).join(", ");
  return [`nothing says what ${names} ${undecided.length === 1 ? "does" : "do"}: taken as ${UNDECIDED_EFFECT}`];
}

function unmatchedSettings(path: string, { tools }: McpServerEntry, known: readonly string[]): readonly Mistake[] {
  const isKnown = (key: string): boolean =>
    key.endsWith("*") ? known.some((name) => name.startsWith(key.slice(0, -1))) : known.includes(key);
  return Object.keys(tools)
    .filter((key) => !isKnown(key))
    .map((key) => ({ path: `${path}.tools.${key}`, message: `is no tool of this server${didYouMean(key, known)}` }));
}

function commonOf(server: McpServerEntry, name: string): Readonly<Record<string, unknown>> {
  const { url, service, auth, timeout_ms } = server;
  const { hidden: _hidden, ...settings } = settingsOf(server, name);
  return {
    kind: "mcp",
    method: "POST",
    url: service === undefined ? url : `${SERVICE_ORIGIN}${url}`,
    ...Object.fromEntries(Object.entries({ service, auth, timeout_ms }).filter(([, value]) => value !== undefined)),
    output_trust: "untrusted",
    ...settings,
  };
}

interface Pin {
  readonly set?: string;
}

function toolOf(
  server: string,
  entry: McpServerEntry,
  { name, digest, title, description, inputSchema, outputSchema, annotations }: McpDefinition,
  set: Pin,
): Readonly<Record<string, unknown>> {
  return {
    effect: UNDECIDED_EFFECT,
    ...(description === null ? {} : { description: description.slice(0, MAX_DESCRIPTION).toWellFormed() }),
    ...commonOf(entry, name),
    input_schema: inputSchema ?? { type: "object" },
    mcp: {
      server,
      kind: "tool",
      name,
      digest,
      ...set,
      ...(title === null ? {} : { title }),
      ...(outputSchema === null ? {} : { output_schema: outputSchema }),
      ...(annotations === null ? {} : { annotations }),
    },
  };
}

function besideOf(
  server: string,
  entry: McpServerEntry,
  name: keyof typeof BESIDES,
  set: Pin,
): Readonly<Record<string, unknown>> {
  const { kind, ...described } = BESIDES[name];
  return {
    effect: "read",
    ...described,
    ...commonOf(entry, name),
    mcp: { server, kind, name, digest: null, ...set },
  };
}
