// Decides the shape of what a tenant's config says of exports: where traces go as OpenTelemetry, and what goes along.
import * as z from "zod/mini";
import { RECORD_KINDS } from "../trace/record.ts";
import { name } from "./policy-document.ts";

/** Headers that the exporter sets itself, or that steer the connection. */
const OWN_HEADERS = new Set([
  "connection",
  "content-encoding",
  "content-length",
  "content-type",
  "host",
  "transfer-encoding",
  "te",
  "upgrade",
]);

const headerName = z.string().check(
  z.regex(/^[A-Za-z0-9-]{1,64}$/, "expected a header's name"),
  z.refine((text) => !OWN_HEADERS.has(text.toLowerCase()), "this header is the exporter's own"),
);
const headerText = z.string().check(z.regex(/^[\x20-\x7e]{0,512}$/, "expected at most 512 printable characters"));

const attributeName = z.string().check(
  z.regex(/^[A-Za-z][A-Za-z0-9_.-]{0,127}$/, "expected an attribute such as `deployment.environment.name`"),
  z.refine((text) => !text.startsWith("interlock."), "names that begin with `interlock.` are the gateway's own"),
);

/** A header's value: a text that is no secret, or the name of a stored secret with what stands before it. */
const HeaderValue = z.union([headerText, z.strictObject({ secret: name, prefix: z.optional(headerText) })]);

/** One place where records go as OTLP over HTTP. */
export const ExportDocument = z.strictObject({
  /** The whole address, such as `https://collector.example.com/v1/traces`. */
  url: z.url("expected an absolute URL"),
  encoding: z._default(z.enum(["protobuf", "json"]), "protobuf"),
  headers: z._default(z.record(headerName, HeaderValue), {}),
  /** Further attributes of the resource: backends choose the project by them. */
  resource: z._default(z.record(attributeName, headerText), {}),
  /** Whether messages, arguments and results go along, masked as they are stored. */
  content: z._default(z.boolean(), false),
  /** Only records of these kinds and actors; without `kinds`, calls and what people did to them. */
  only: z._default(
    z.strictObject({
      kinds: z.optional(z.array(z.enum(RECORD_KINDS))),
      actors: z.optional(z.array(z.string().check(z.minLength(1)))),
    }),
    {},
  ),
});

/** The exports of a tenant, by name. */
export const ExportsDocument = z
  .record(name, ExportDocument)
  .check(z.refine((exports) => Object.keys(exports).length <= 8, "expected at most 8 exports"));

/** One export of a parsed document. */
export type ExportEntry = z.infer<typeof ExportDocument>;

/** What is sent where the config names no kinds: calls, and what people did to them. The rest is the audit trail's. */
const USUAL_KINDS: readonly string[] = [
  "chat",
  "embeddings",
  "count_tokens",
  "execute_tool",
  "approval",
  "ledger",
  "session",
  "switch",
  "outcome",
];

/** Whether an export takes a record of this kind and actor. */
export function takes({ only }: ExportEntry, row: { readonly kind: string; readonly actor: string }): boolean {
  const kinds: readonly string[] = only.kinds ?? USUAL_KINDS;
  return kinds.includes(row.kind) && (only.actors === undefined || only.actors.includes(row.actor));
}

/** Names of the stored secrets that an export's headers are made of, with the header of each. */
export function secretsOfExport(entry: ExportEntry): readonly { readonly header: string; readonly name: string }[] {
  return Object.entries(entry.headers).flatMap(([header, value]) =>
    typeof value === "string" ? [] : [{ header, name: value.secret }],
  );
}
