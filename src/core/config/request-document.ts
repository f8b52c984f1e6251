// Decides the shape of what a tool sends: query, headers, body, redirects, and the credential that goes with them.
import * as z from "zod/mini";
import { name } from "./policy-document.ts";

const headerName = z.string().check(z.regex(/^[A-Za-z0-9-]{1,64}$/, "expected a header name: letters, digits and `-`"));
const visible = z
  .string()
  .check(z.regex(/^[\x21-\x7e]{1,256}$/, "expected 1 to 256 visible ASCII characters without spaces"));
const template = z.string().check(z.maxLength(2048));

const BasicAuth = z
  .strictObject({
    kind: z.literal("basic"),
    /** Either of the two. */
    username: z.optional(visible.check(z.refine((text) => !text.includes(":"), "expected no `:`"))),
    username_secret: z.optional(name),
    secret: name,
  })
  .check(
    z.refine((auth) => (auth.username === undefined) !== (auth.username_secret === undefined), {
      path: ["username"],
      error: "expected either `username` or `username_secret`",
    }),
  );

const HmacAuth = z.strictObject({
  kind: z.literal("hmac"),
  secret: name,
  header: headerName,
  algorithm: z.literal("sha256"),
  /** What is signed, in this order, joined by line feeds. */
  signed: z
    .array(z.enum(["method", "path", "body", "timestamp"]))
    .check(z.minLength(1, "expected at least one part"), z.maxLength(4)),
  timestamp_header: z.optional(headerName),
  key_id: z.optional(visible),
});

const ClientCredentialsAuth = z.strictObject({
  kind: z.literal("oauth2_client_credentials"),
  token_url: z.url("expected an absolute URL"),
  client_id: visible,
  secret: name,
  scopes: z.optional(z.array(visible)),
  audience: z.optional(z.string().check(z.minLength(1), z.maxLength(2048))),
  /** How the client proves itself: in `Authorization: Basic` or in the form. */
  client_auth: z.optional(z.enum(["basic", "post"])),
});

/** How a tool is told who calls. */
export const ToolAuthDocument = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("bearer"), secret: name }),
  z.strictObject({ kind: z.literal("header"), name: headerName, secret: name }),
  BasicAuth,
  ClientCredentialsAuth,
  HmacAuth,
]);

/** A tool's credential, as configured. */
export type ToolAuth = z.infer<typeof ToolAuthDocument>;

/** What a tool sends besides its URL; spread into its document. */
export const REQUEST_FIELDS = {
  /** Query parameters by name; all of them, once declared. */
  query: z.optional(z.record(z.string().check(z.minLength(1), z.maxLength(128)), template)),
  /** Further headers. */
  headers: z.optional(z.record(headerName, template)),
  /** A JSON template; the whole body, once declared; null for none. */
  body: z.optional(z.unknown()),
  content_type: z.optional(z.enum(["application/json", "application/x-www-form-urlencoded"])),
  /** `follow`: up to three redirects of a read, each checked like the first address. */
  redirects: z.optional(z.enum(["refuse", "follow"])),
} as const;

/** The stored secrets that a credential rests on, by field. */
export function secretsOfAuth(
  auth: ToolAuth | undefined,
): readonly { readonly field: string; readonly name: string }[] {
  if (auth === undefined) return [];
  const user = auth.kind === "basic" && auth.username_secret !== undefined ? [auth.username_secret] : [];
  return [{ field: "secret", name: auth.secret }, ...user.map((each) => ({ field: "username_secret", name: each }))];
}

/** The headers that a credential fills. */
export function headersOfAuth(auth: ToolAuth | undefined): readonly string[] {
  switch (auth?.kind) {
    case undefined:
      return [];
    case "header":
      return [auth.name];
    case "hmac":
      return [auth.header, timestampHeader(auth)];
    case "bearer":
    case "basic":
    case "oauth2_client_credentials":
      return ["authorization"];
    default:
      return auth satisfies never;
  }
}

/** The header that carries the time of a signature. */
export function timestampHeader({ timestamp_header }: Extract<ToolAuth, { readonly kind: "hmac" }>): string {
  return timestamp_header ?? "X-Timestamp";
}
