// Decides the shape of one tool of the config: where it is, what it sends, what it does, and what the gateway holds it to.
import * as z from "zod/mini";
import { readFactPath } from "../policy/fact-path.ts";
import { usdFromJson } from "../units/money.ts";
import { name, RateLimitDocument } from "./policy-document.ts";
import { REQUEST_FIELDS, ToolAuthDocument } from "./request-document.ts";
import { BreakerDocument, milliseconds, RetryDocument } from "./reliability-document.ts";
import { TransactionFields } from "./transaction-document.ts";

/** A scope of keys, actors and tools. */
export const scope = z
  .string()
  .check(z.regex(/^(\*|[a-z0-9][a-z0-9_.:-]{0,127})$/, "expected a scope such as `billing:write`, or `*`"));
/** Dollars with at most six decimals. */
export const usd = z
  .union([z.number(), z.string()])
  .check(
    z.refine((value) => usdFromJson(value) !== undefined, "expected dollars, at least 0, with at most six decimals"),
  );

/** What a tool does to the world. */
export const EffectDocument = z.enum(["read", "write", "irreversible"]);

/** What the gateway holds a tool to, wherever the tool is. */
export const TOOL_SETTINGS = {
  amount: z.optional(z.strictObject({ field: z.string().check(z.minLength(1)), currency: z.literal("USD") })),
  pii: z.optional(z.strictObject({ writes: z.array(z.string().check(z.minLength(1))) })),
  scopes: z.optional(z.array(scope)),
  /** For one attempt, and for all attempts together with the waits between them. */
  timeout_ms: z.optional(milliseconds),
  deadline_ms: z.optional(milliseconds),
  retry: z.optional(RetryDocument),
  breaker: z.optional(BreakerDocument),
  /** What a write comes to while a breaker of the tool is open. */
  degraded: z.optional(z.enum(["draft", "refuse"])),
  /** Calls of the tool that may run at once, of all sessions together. */
  concurrency: z.optional(z.int().check(z.gte(1), z.lte(1_000))),
  ...TransactionFields,
  /** Without a key: `deduplicate` answers an identical call of the same task from the first one, `allow` runs it again. */
  repeat: z.optional(z.enum(["deduplicate", "allow"])),
  /** What one call costs, charged to the dollar budget. */
  cost_usd: z.optional(usd),
  rate_limit: z.optional(RateLimitDocument),
  /** `untrusted`: what it answers may have been written by strangers, and its name becomes a taint of the session. */
  output_trust: z.optional(z.enum(["trusted", "untrusted"])),
  /** What rules may know from its result, as `session.facts`: for each fact the dotted path of the result it is read from. */
  capture: z.optional(
    z.record(
      z.string().check(
        z.regex(/^[A-Za-z_][\w.[\]]{0,127}$/, "expected a fact such as `customer_tier` or `orders[result.id].status`"),
        z.refine((text) => readFactPath(text) !== undefined, "expected names, and `[result.…]` or `[args.…]`"),
      ),
      z.string().check(z.minLength(1), z.maxLength(256)),
    ),
  ),
} as const;

/** What a tool of an MCP server is there: what the server calls it, and the definition that an operator has accepted. */
export const McpOriginDocument = z.strictObject({
  server: name,
  /** `resource` reads the server's resources, `prompt` gets its prompts. */
  kind: z.enum(["tool", "resource", "prompt"]),
  name: z.string().check(z.minLength(1), z.maxLength(128)),
  /** SHA-256 of the accepted definition; null where there is none: for resources and prompts. */
  digest: z.nullable(z.string()),
  /** SHA-256 of all accepted definitions of the server, where a change of any of them stops the tool. */
  set: z.optional(z.string()),
  title: z.optional(z.string()),
  output_schema: z.optional(z.record(z.string(), z.unknown())),
  /** Hints of the server, passed on and never trusted. */
  annotations: z.optional(z.record(z.string(), z.unknown())),
});

/** One tool under `tools`. */
export const ToolDocument = z.strictObject({
  /** `service` is another Worker: `url` is a path then, and `service` its binding. `mcp` comes from `mcp.servers`. */
  kind: z.enum(["http", "service", "mcp"]),
  description: z.optional(z.string().check(z.maxLength(4096))),
  method: z.enum(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]),
  /** May hold `{argument}` places, each filled from the call's arguments and percent-encoded. */
  url: z.string().check(z.minLength(1), z.maxLength(2048)),
  service: z.optional(name),
  ...REQUEST_FIELDS,
  input_schema: z.record(z.string(), z.unknown()),
  effect: EffectDocument,
  auth: z.optional(ToolAuthDocument),
  ...TOOL_SETTINGS,
  mcp: z.optional(McpOriginDocument),
});
