// Decides the shape of the config's identity section: whose tokens open the MCP surface, and what a token makes of its holder.
import * as z from "zod/mini";
import { name } from "./policy-document.ts";
import { scope } from "./tool-document.ts";

/** Signatures that a token may have. No `none`, and nothing with a shared secret (RFC 8725 s3.1 and s3.2). */
const ALGORITHMS = [
  "RS256",
  "RS384",
  "RS512",
  "PS256",
  "PS384",
  "PS512",
  "ES256",
  "ES384",
  "ES512",
  "EdDSA",
  "Ed25519",
] as const;

/** What is taken where an issuer's entry does not say. */
export const IDENTITY_DEFAULTS = {
  algorithms: ["RS256", "ES256", "EdDSA", "PS256"],
  clockSkewS: 60,
  userClaim: "sub",
  scopeClaim: "scope",
} as const;

/** A claim by its name, or by a dotted path within claims: `realm_access.roles`. A claim of exactly that name comes first. */
const claim = z.string().check(z.minLength(1), z.maxLength(256));
const text = z.string().check(z.minLength(1), z.maxLength(512));

const ActorClaimDocument = z
  .strictObject({
    claim: z.optional(claim),
    /** Actors by the claim's value; without it the value is the actor. */
    map: z.optional(z.record(text, name)),
    /** For tokens whose claim is missing or says nothing that `map` knows. */
    default: z.optional(name),
  })
  .check(
    z.refine((entry) => entry.claim !== undefined || entry.default !== undefined, {
      path: ["claim"],
      error: "expected a claim that says which actor it is, or `default`, an actor for every token",
    }),
    z.refine((entry) => entry.map === undefined || entry.claim !== undefined, {
      path: ["claim"],
      error: "expected the claim whose values `map` lists",
    }),
  );

const ScopeClaimDocument = z.strictObject({
  /** A text of words, or a list. `scope` when left out. */
  claim: z.optional(claim),
  /** Scopes by the token's own; once declared, others count only by `prefix`. */
  map: z.optional(z.record(text, scope)),
  /** Stands before the token's scopes that are ours, and is taken off; others do not count. */
  prefix: z.optional(text),
  /** Stands before scopes where clients ask the issuer for them, and not in its tokens. */
  ask_prefix: z.optional(text),
});

/** One issuer under `identity.issuers`. */
export const IssuerDocument = z.strictObject({
  /** Exactly as tokens spell it in `iss`. */
  issuer: z.string().check(z.minLength(1), z.maxLength(2048)),
  /** Where its keys are; asked of its metadata when left out. */
  jwks_url: z.optional(z.string().check(z.minLength(1), z.maxLength(2048))),
  /** What `aud` may be; the address of the MCP surface when left out. */
  audiences: z.optional(z.array(text).check(z.minLength(1), z.maxLength(20))),
  algorithms: z.optional(
    z
      .array(z.enum(ALGORITHMS, `expected one of ${ALGORITHMS.join(", ")}: tokens are checked with public keys only`))
      .check(z.minLength(1)),
  ),
  /** How far its clock may be off. */
  clock_skew_s: z.optional(z.int().check(z.gte(0), z.lte(300))),
  actor: ActorClaimDocument,
  user: z.optional(z.strictObject({ claim })),
  scopes: z.optional(ScopeClaimDocument),
  /** No token gives another role. */
  roles: z.optional(
    z.array(
      z.literal("agent", "expected `agent`: what decides, publishes or approves takes an API key, never a token"),
    ),
  ),
  /** Claims that must be there with this value, or one of these. */
  requires: z.optional(z.record(claim, z.union([text, z.boolean(), z.array(text).check(z.minLength(1))]))),
});

/** The `identity` section. */
export const IdentityDocument = z.strictObject({
  issuers: z._default(z.record(name, IssuerDocument), {}),
});

/** One issuer of a parsed document. */
export type IssuerEntry = z.infer<typeof IssuerDocument>;
/** The `identity` section of a parsed document. */
export type IdentityEntry = z.infer<typeof IdentityDocument>;
