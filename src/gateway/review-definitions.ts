// Sequences the review of what MCP servers offer: discovered now, held against what was accepted, taken over where a person says so.
import { settingsOf, UNDECIDED_EFFECT } from "../core/config/mcp-expand.ts";
import type { McpServerEntry } from "../core/config/mcp-document.ts";
import { didYouMean } from "../core/config/mistakes.ts";
import type { PublishedConfig } from "../core/config/published.ts";
import { accept, refuse, type Outcome } from "../core/errors.ts";
import type { JsonObject } from "../core/json/canonical.ts";
import {
  compareDefinitions,
  definitionsExcess,
  definitionSetDigest,
  readDefinitions,
  sentSetDigest,
  type ComparedDefinition,
  type McpDefinition,
} from "../core/mcp/definitions.ts";
import { scanDefinitions, type InstructionFlag } from "../core/mcp/instruction-scan.ts";
import type { Principal } from "../core/principal.ts";
import type { Ports } from "./ports.ts";
import type { McpDiscovery } from "./ports/mcp.ts";
import { publishCandidate, type Deployment } from "./publish-config.ts";

/** A server of the active config. */
export interface ConfiguredServer {
  readonly name: string;
  readonly server: McpServerEntry;
  /** Digest of the accepted set. */
  readonly pinned: string;
  readonly accepted: number;
}

/** One tool of a server as a person judges it. */
export interface ReviewedTool extends Pick<ComparedDefinition, "name" | "accepted" | "current" | "changes"> {
  readonly state: "accepted" | "changed" | "new" | "removed" | "unusable";
  /** Why it can be no tool; `null` where it can. */
  readonly unusable: string | null;
  readonly flags: readonly InstructionFlag[];
  /** What its calls would count as. */
  readonly effect: "read" | "write" | "irreversible";
  readonly isHidden: boolean;
}

/** What a server offers now, beside what was accepted of it. */
export interface ReviewedServer extends ConfiguredServer {
  readonly discovery: McpDiscovery;
  /** Digest of the set that it offers now. */
  readonly current: string;
  readonly tools: readonly ReviewedTool[];
}

/** The servers of the active version. */
export async function listServers(ports: Pick<Ports, "configs">, tenant: string): Promise<readonly ConfiguredServer[]> {
  const active = await ports.configs.current(tenant);
  return Object.entries(active?.document.mcp.servers ?? {}).map(([name, server]) => configured(name, server));
}

function configured(name: string, server: McpServerEntry): ConfiguredServer {
  const accepted = acceptedOf(server);
  return { name, server, pinned: sentSetDigest(accepted), accepted: accepted.length };
}

function acceptedOf({ definitions = [] }: McpServerEntry): readonly JsonObject[] {
  // What a parsed document holds was JSON.
  return definitions as readonly JsonObject[];
}

/** Asks a server what it offers, and compares; refuses `not_found`, and whatever keeps the server from answering. */
export async function reviewServer(
  ports: Pick<Ports, "configs" | "mcpServers">,
  tenant: string,
  name: string,
): Promise<Outcome<ReviewedServer>> {
  const looked = await lookAt(ports, tenant, name);
  return looked.ok ? accept(looked.value.review) : looked;
}

interface Looked {
  readonly active: PublishedConfig;
  readonly review: ReviewedServer;
}

async function lookAt(
  ports: Pick<Ports, "configs" | "mcpServers">,
  tenant: string,
  name: string,
): Promise<Outcome<Looked>> {
  const active = await ports.configs.current(tenant);
  const servers = active?.document.mcp.servers ?? {};
  const server = Object.hasOwn(servers, name) ? servers[name] : undefined;
  if (active === undefined || server === undefined)
    return refuse("not_found", `no MCP server "${name}" in the active config${didYouMean(name, Object.keys(servers))}`);
  const target = { tenant, name, server, allowedHosts: active.document.egress.allow };
  const discovered = await ports.mcpServers.discover(target, 0);
  if (!discovered.ok) return discovered;
  const excess = definitionsExcess(discovered.value.tools);
  if (excess !== null) return refuse("upstream_failed", excess);
  return accept({ active, review: reviewOf(configured(name, server), discovered.value, otherNames(active, name)) });
}

/** Names of tools that are not this server's: what it calls its own might pass for them. */
function otherNames({ document }: PublishedConfig, server: string): readonly string[] {
  return Object.entries(document.tools).flatMap(([name, { mcp }]) =>
    mcp === undefined ? [name] : mcp.server === server || mcp.kind !== "tool" ? [] : [mcp.name],
  );
}

function reviewOf(server: ConfiguredServer, discovery: McpDiscovery, others: readonly string[]): ReviewedServer {
  const definitions = readDefinitions(discovery.tools);
  const names = new Set(definitions.map(({ name }) => name));
  // Another server may well have a tool of the same name: that is no likeness.
  const flags = Map.groupBy(
    scanDefinitions(
      definitions,
      others.filter((name) => !names.has(name)),
    ),
    ({ tool }) => tool,
  );
  const compared = compareDefinitions(readDefinitions(acceptedOf(server.server)), definitions);
  return {
    ...server,
    discovery,
    current: definitionSetDigest(definitions),
    tools: compared.map((each) => reviewedTool(server.server, each, flags.get(each.name) ?? [])),
  };
}

const STATES = { added: "new", removed: "removed", changed: "changed", unchanged: "accepted" } as const;

function reviewedTool(
  server: McpServerEntry,
  { name, accepted, current, state, changes }: ComparedDefinition,
  flags: readonly InstructionFlag[],
): ReviewedTool {
  const { effect = UNDECIDED_EFFECT, hidden = false } = settingsOf(server, name);
  const unusable = current?.unusable ?? null;
  return {
    name,
    accepted,
    current,
    changes,
    state: unusable === null ? STATES[state] : "unusable",
    unusable,
    flags,
    effect,
    isHidden: hidden,
  };
}

/** What a person takes over of a server. */
export interface AcceptOrder {
  readonly server: string;
  /** Digest of the set that the person has seen. */
  readonly digest: string;
  /** Only these; every one when left out. */
  readonly tools?: readonly string[] | undefined;
  readonly mayHaveFlags: boolean;
  readonly reason: string | null;
}

/** What was taken over; `published` is `null` where everything stood like this already. */
export interface AcceptedServer {
  readonly published: PublishedConfig | null;
  readonly version: number;
  readonly set: string;
  readonly tools: readonly string[];
}

/**
 * Publishes a version that has the server's current definitions as the accepted ones, as far as they are ordered. The
 * rules are checked against the new schemas like those of any candidate. Refuses `precondition_failed` when the server
 * offers something else than the person saw, and dangerous flags unless they are accepted by name.
 */
export async function acceptDefinitions(
  ports: Pick<Ports, "configs" | "mcpServers" | "secrets">,
  deployment: Deployment,
  principal: Principal,
  order: AcceptOrder,
): Promise<Outcome<AcceptedServer>> {
  const looked = await lookAt(ports, principal.tenant, order.server);
  if (!looked.ok) return looked;
  const { active, review } = looked.value;
  if (review.current !== order.digest)
    return refuse(
      "precondition_failed",
      `"${order.server}" offers something else than you saw (${review.current.slice(0, 12)} now): look at it again`,
    );
  const chosen = chosenOf(review, order);
  if (!chosen.ok) return chosen;
  const { moved, definitions } = chosen.value;
  const set = sentSetDigest(definitions);
  const tools = moved.map(({ name }) => name);
  if (set === review.pinned) return accept({ published: null, version: active.version, set, tools: [] });
  const flags = flagsOf(moved);
  if (flags.length > 0 && !order.mayHaveFlags) return flagged(flags);
  const servers = { ...active.document.mcp.servers, [order.server]: { ...review.server, definitions } };
  const published = await publishCandidate(ports, deployment, principal, {
    candidate: { ...active.document, mcp: { ...active.document.mcp, servers } },
    expected: active.version,
    accepted: {
      server: order.server,
      set,
      tools,
      flags: [...new Set(flags.map(({ tool, kind }) => `${tool} ${kind}`))],
      reason: order.reason,
    },
  });
  if (!published.ok) return published;
  return accept({ published: published.value, version: published.value.version, set, tools });
}

interface Chosen {
  /** What comes, changes or goes. */
  readonly moved: readonly ReviewedTool[];
  /** The accepted set after that, as it is stored. */
  readonly definitions: readonly JsonObject[];
}

function chosenOf({ tools, discovery, server }: ReviewedServer, { tools: named }: AcceptOrder): Outcome<Chosen> {
  const known = tools.map(({ name }) => name);
  const unknown = (named ?? []).filter((name) => !known.includes(name));
  if (unknown.length > 0)
    return refuse("invalid_request", `the server has no tool ${unknown.map((name) => `"${name}"`).join(", ")}`, {
      mistakes: unknown.map((name) => ({
        path: "tools",
        message: `"${name}" is no tool of this server${didYouMean(name, known)}`,
      })),
    });
  const isChosen = (name: string): boolean => named === undefined || named.includes(name);
  const sentOf = (definitions: readonly McpDefinition[], isTaken: (name: string) => boolean): readonly JsonObject[] =>
    definitions.filter(({ name }) => isTaken(name)).map(({ sent }) => sent);
  return accept({
    moved: tools.filter(({ name, accepted, current }) => isChosen(name) && accepted?.digest !== current?.digest),
    definitions: [
      ...sentOf(readDefinitions(discovery.tools), isChosen),
      ...sentOf(readDefinitions(acceptedOf(server)), (name) => !isChosen(name)),
    ],
  });
}

/** The dangerous flags of what would be taken over and called. */
function flagsOf(moved: readonly ReviewedTool[]): readonly InstructionFlag[] {
  return moved
    .filter(({ current, isHidden, unusable }) => current !== null && !isHidden && unusable === null)
    .flatMap(({ flags }) => flags.filter(({ severity }) => severity === "danger"));
}

function flagged(flags: readonly InstructionFlag[]): ReturnType<typeof refuse> {
  const tools = [...new Set(flags.map(({ tool }) => `"${tool}"`))];
  return refuse(
    "flags_not_accepted",
    `${tools.join(", ")} ${tools.length === 1 ? "reads" : "read"} like orders to the model, or hide${tools.length === 1 ? "s" : ""} text: read the flags, and send \`flags: "accepted"\` if they are harmless`,
    {
      mistakes: flags.map(({ tool, path, kind, excerpt }) => ({
        path: `${tool}.${path}`,
        message: `${kind}: ${excerpt}`,
      })),
    },
  );
}
