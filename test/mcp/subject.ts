// Opens what an MCP test speaks to: the servers themselves, or the gateway in front of the same servers.
import { type JsonRecord } from "../e2e/document.ts";
import { at, openStage, until, type Stage, type Tenant } from "../e2e/harness.ts";

/** Whom a test speaks to. */
export type SubjectKind = "direct" | "gateway";

/** The gateway; with `MCP_DIRECT=1` the servers themselves as well, which shows that the tests are right about them. */
export const SUBJECTS: readonly SubjectKind[] = process.env["MCP_DIRECT"] === "1" ? ["direct", "gateway"] : ["gateway"];

/** Where one server's tools are called, and with which headers. */
export interface Endpoint {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** One server behind the subject. */
export interface ServerSetup {
  readonly url: string;
  /** Further members of its entry under `mcp.servers`. */
  readonly more?: JsonRecord;
  /** Values of the stored secrets that its entry names. */
  readonly secrets?: Readonly<Record<string, string>>;
}

/** An opened subject. */
export interface Subject {
  readonly kind: SubjectKind;
  /** `/mcp/<server>` of the gateway, or the server itself. */
  endpointOf(server: string): Endpoint;
  /** `/mcp` of the gateway: every server's tools, prefixed. Throws for the servers themselves. */
  all(): Endpoint;
  /** Accepts what the server now declares, as an operator does. Nothing for the servers themselves. */
  accept(server: string): Promise<void>;
  readonly close: () => Promise<void>;
}

/** Opens a subject with these servers, every definition of theirs accepted. */
export async function openSubject(
  kind: SubjectKind,
  servers: Readonly<Record<string, ServerSetup>>,
  { isAccepted = true }: { readonly isAccepted?: boolean } = {},
): Promise<Subject> {
  if (kind === "direct") return directTo(servers);
  const stage = await openStage();
  try {
    const tenant = await tenantOf(stage, servers);
    if (isAccepted) for (const server of Object.keys(servers)) await acceptDefinitions(tenant, server);
    const headers = { authorization: `Bearer ${tenant.agent}` };
    return {
      kind,
      endpointOf: (server) => ({ url: `${stage.gateway.url}/mcp/${server}`, headers }),
      all: () => ({ url: `${stage.gateway.url}/mcp`, headers }),
      accept: (server) => acceptDefinitions(tenant, server),
      close: () => stage.close(),
    };
  } catch (error) {
    await stage.close();
    throw error;
  }
}

function directTo(servers: Readonly<Record<string, ServerSetup>>): Subject {
  return {
    kind: "direct",
    endpointOf: (server) => {
      const setup = servers[server];
      if (setup === undefined) throw new Error(`no server ${server}`);
      return { url: setup.url, headers: {} };
    },
    all: () => {
      throw new Error("servers on their own have no endpoint for all of them");
    },
    accept: () => Promise.resolve(),
    close: () => Promise.resolve(),
  };
}

/** A tenant whose actor may call every tool of these servers. */
function tenantOf(stage: Stage, servers: Readonly<Record<string, ServerSetup>>): Promise<Tenant> {
  const entries = Object.entries(servers);
  const byAddress = (url: string): URL => new URL(url.replace("//localhost", "//127.0.0.1"));
  return stage.tenant(
    {
      session: { usd: 2, tool_usd: 500, tool_calls: 100_000 },
      actor: { allowed_tools: entries.map(([name]) => `${name}.*`) },
      hosts: entries.map(([, { url }]) => byAddress(url).host),
      sections: {
        mcp: {
          servers: Object.fromEntries(
            entries.map(([name, { url, more }]) => [
              name,
              { url: byAddress(url).href, tools: { "*": { effect: "read" } }, ...more },
            ]),
          ),
        },
      },
    },
    Object.assign({}, ...entries.map(([, { secrets }]) => secrets ?? {})) as Record<string, string>,
  );
}

/** Accepts what the server declares at the moment. The routes and their fields are named here and nowhere else. */
export async function acceptDefinitions({ stage, id }: Tenant, server: string): Promise<void> {
  const path = `/v1/mcp/servers/${server}`;
  const digest = await until(`the definitions of ${server}`, async () => {
    const { json } = await stage.asRoot(id, "GET", path);
    const current = at(json, "current_digest");
    return typeof current === "string" ? current : undefined;
  });
  // Hostile definitions read like orders: that is what they are tested for.
  await stage.asRoot(id, "POST", `${path}/accept`, { digest, flags: "accepted" });
}
