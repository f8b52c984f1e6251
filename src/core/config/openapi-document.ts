// Decides the shape of an OpenAPI import in the config: the document itself, and what its operations become.
import * as z from "zod/mini";
import { name } from "./policy-document.ts";
import { ToolAuthDocument } from "./request-document.ts";

const operation = z.string().check(z.minLength(1), z.maxLength(256));

/** One OpenAPI document under `openapi`. */
export const OpenApiDocument = z.strictObject({
  /** OpenAPI 3.0 or 3.1, inline; nothing is fetched. */
  document: z.record(z.string(), z.unknown()),
  /** Stands before the tools' names with a dot; the section's own name when left out. */
  prefix: z.optional(name),
  /** Operations to import; all when left out. */
  only: z.optional(z.array(operation)),
  /** What an operation does, where its method does not say. */
  effects: z.optional(z.record(operation, z.enum(["read", "write", "irreversible"]))),
  /** The address before the paths; the document's first server when left out. */
  server: z.optional(z.url("expected an absolute URL")),
  service: z.optional(name),
  auth: z.optional(ToolAuthDocument),
  timeout_ms: z.optional(
    z.int().check(z.gte(1, "expected at least 1 ms"), z.lte(600_000, "expected at most 600000 ms")),
  ),
});

/** One OpenAPI import of a parsed document. */
export type OpenApiEntry = z.infer<typeof OpenApiDocument>;
