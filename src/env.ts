// Decides which variables and bindings the Worker must have, and fails loudly when one is missing.
import * as z from "zod/mini";
import type {
  ObjectNamespace,
  RemoteMcpSession,
  RemoteSessionLedger,
  RemoteTenantLedger,
  RemoteToolCall,
} from "./adapters/durable/rpc.ts";
import { isHostList, isOriginList } from "./core/identity/access.ts";

/** The Worker's bindings. Service bindings for providers and tools are further members named `SERVICE_<NAME>`. */
export interface Bindings {
  readonly SESSION_LEDGER: ObjectNamespace<RemoteSessionLedger>;
  readonly TENANT_LEDGER: ObjectNamespace<RemoteTenantLedger>;
  readonly TOOL_CALL: ObjectNamespace<RemoteToolCall>;
  readonly MCP_SESSION: ObjectNamespace<RemoteMcpSession>;
  readonly CONFIG: KVNamespace;
  readonly DB: D1Database;
  readonly BLOBS: R2Bucket;
  readonly TRACES: Queue;
  readonly NOTICES: Queue;
  readonly CALLS: Queue;
  readonly EXPORTS: Queue;
  readonly EVALS: Queue;
}

const Settings = z.object({
  ENVIRONMENT: z._default(z.string(), "production"),
  /** Guards the creation of tenants and keys. */
  ROOT_KEY: z.string().check(z.minLength(16, "ROOT_KEY: expected a secret of at least 16 characters")),
  /** Base64 of 32 bytes; wraps the data keys under which the tenants' credentials are encrypted. */
  SECRETS_KEY: z.string().check(z.regex(/^[A-Za-z0-9+/]{43}=$/, "SECRETS_KEY: expected base64 of 32 bytes")),
  /** The root key before that one: still unwraps, never wraps. */
  SECRETS_KEY_PREVIOUS: z.optional(
    z.string().check(z.regex(/^[A-Za-z0-9+/]{43}=$/, "SECRETS_KEY_PREVIOUS: expected base64 of 32 bytes")),
  ),
  /** Base64 of 32 bytes: the seed of the Ed25519 key that signs audit checkpoints; derived from `SECRETS_KEY` without. */
  AUDIT_KEY: z.optional(z.string().check(z.regex(/^[A-Za-z0-9+/]{43}=$/, "AUDIT_KEY: expected base64 of 32 bytes"))),
  /** The tenant that the root key acts on when a request names none. */
  ROOT_TENANT: z.optional(z.string()),
  /** The gateway's own address, for links in notices to approvers; without it notices carry none. */
  PUBLIC_URL: z.optional(z.url("PUBLIC_URL: expected an absolute URL")),
  /** Further names under which the MCP surface is asked: a comma list of hosts. */
  MCP_ALLOWED_HOSTS: z.optional(
    z
      .string()
      .check(z.refine(isHostList, "MCP_ALLOWED_HOSTS: expected hosts without scheme or path, with commas between")),
  ),
  /** Origins of web pages that may use the MCP surface: a comma list. */
  MCP_ALLOWED_ORIGINS: z.optional(
    z
      .string()
      .check(
        z.refine(
          isOriginList,
          "MCP_ALLOWED_ORIGINS: expected origins such as https://app.example, with commas between",
        ),
      ),
  ),
  /** `"true"` lets tools and providers live on loopback and private hosts over http. */
  ALLOW_PRIVATE_EGRESS: z._default(z.string(), "false"),
});

/** The Worker's variables and secrets. */
export type Settings = z.infer<typeof Settings>;

/** The environment as the platform hands it over. */
export type Env = Bindings & Readonly<Record<string, unknown>>;

/** Reads the variables; throws with every mistake at once when the deployment is incomplete. */
export function readSettings(env: Env): Settings {
  const parsed = Settings.safeParse(env);
  if (parsed.success) return parsed.data;
  const mistakes = parsed.error.issues.map((issue) => `${issue.path.join(".")}: ${issue.message}`);
  throw new Error(`the deployment is not complete: ${mistakes.join("; ")}`);
}
