// Decides what a verified token makes of its holder: which actor, which scopes, which user, or why it opens nothing.
import type { ConfigDocument } from "../config/document.ts";
import { IDENTITY_DEFAULTS, type IssuerEntry } from "../config/identity-document.ts";
import { accept, refuse, type Outcome, type Refusal } from "../errors.ts";
import { sha256Hex } from "../json/digest.ts";
import type { Principal } from "../principal.ts";
import { isScope } from "../units/identifier.ts";

/** The claims of a token whose signature, issuer, audience and time have been found good. */
export type Claims = Readonly<Record<string, unknown>>;

/** Who a token's holder is here. */
export interface TokenCaller {
  readonly principal: Principal;
  /** The person on whose behalf the agent acts, as the issuer names it: 1 to 256 characters, to be masked like any user. */
  readonly user: string;
  /** Epoch milliseconds. */
  readonly expiresAt: number;
}

/** The issuer that a token was verified against, of which tenant. */
export interface VerifiedBy {
  readonly tenant: string;
  /** Its name under `identity.issuers`. */
  readonly name: string;
  readonly entry: IssuerEntry;
  readonly actors: ConfigDocument["actors"];
}

const MAX_USER = 256;
/** Values of a claim that is a list; no more are looked at. */
const MAX_VALUES = 256;

/**
 * The caller that verified claims stand for: role `agent`, scopes and actors as the issuer's entry maps them, a key id
 * that names the issuer and a digest of `sub`. Refuses `unauthenticated` for a claim that is missing or not what
 * `requires` says, `actor_forbidden` for an actor that the config has not. No refusal repeats a value of the token.
 */
export function callerOf(by: VerifiedBy, claims: Claims): Outcome<TokenCaller> {
  const { sub, exp } = claims;
  if (typeof sub !== "string" || sub === "") return missing("sub");
  if (typeof exp !== "number" || !Number.isFinite(exp)) return missing("exp");
  const refusal = requirementRefusal(by.entry, claims);
  if (refusal !== undefined) return refusal;
  const userClaim = by.entry.user?.claim ?? IDENTITY_DEFAULTS.userClaim;
  const user = claimAt(claims, userClaim);
  if (typeof user !== "string" || user === "" || user.length > MAX_USER) return missing(userClaim);
  const actors = actorsOf(by, claims);
  if (!actors.ok) return actors;
  const principal: Principal = {
    tenant: by.tenant,
    keyId: `jwt:${by.name}:${sha256Hex(sub).slice(0, 16)}`,
    roles: ["agent"],
    scopes: scopesOf(by.entry.scopes, claims),
    actors: actors.value,
    isRoot: false,
  };
  return accept({ principal, user, expiresAt: exp * 1000 });
}

/** Why claims are not those that the config asks for, or `undefined` when they are. */
function requirementRefusal({ requires }: IssuerEntry, claims: Claims): Refusal | undefined {
  // RFC 7800, RFC 9449: whoever shows such a token must prove a key, which nothing here asks for.
  if (claims["cnf"] !== undefined)
    return refuse("unauthenticated", "the token is bound to a key of its holder (`cnf`); send a bearer token");
  for (const [claim, wanted] of Object.entries(requires ?? {})) {
    const found = claimAt(claims, claim);
    if (found === undefined) return missing(claim);
    if (!isWanted(found, wanted))
      return refuse("unauthenticated", `the token's claim "${claim}" is not what the config requires`);
  }
  return undefined;
}

/** A claim by its name, else by a dotted path within claims; `undefined` where there is none. */
export function claimAt(claims: Claims, name: string): unknown {
  if (Object.hasOwn(claims, name)) return claims[name];
  let inner: unknown = claims;
  for (const part of name.split(".")) {
    if (typeof inner !== "object" || inner === null || Array.isArray(inner) || !Object.hasOwn(inner, part))
      return undefined;
    inner = (inner as Claims)[part];
  }
  return inner;
}

function actorsOf({ entry, actors }: VerifiedBy, claims: Claims): Outcome<readonly string[]> {
  const { claim, map, default: otherwise } = entry.actor;
  const found = claim === undefined ? [] : textsOf(claimAt(claims, claim));
  const mapped =
    map === undefined ? found : found.flatMap((value) => (Object.hasOwn(map, value) ? [map[value] ?? ""] : []));
  const named = mapped.length > 0 || otherwise === undefined ? [...new Set(mapped)] : [otherwise];
  if (named.length === 0) {
    if (found.length === 0) return missing(claim ?? "actor");
    return refuse("actor_forbidden", `the config maps no actor to what the token's claim "${claim}" says`);
  }
  const known = named.filter((actor) => Object.hasOwn(actors, actor));
  return known.length > 0
    ? accept(known)
    : refuse("actor_forbidden", `the actor that the token's claim "${claim ?? ""}" leads to is not in the config`);
}

function scopesOf(entry: IssuerEntry["scopes"], claims: Claims): readonly string[] {
  const value = claimAt(claims, entry?.claim ?? IDENTITY_DEFAULTS.scopeClaim);
  const words = typeof value === "string" ? value.split(" ").filter((word) => word !== "") : textsOf(value);
  return [...new Set(words.slice(0, MAX_VALUES).flatMap((word) => scopeOf(entry, word)))];
}

/** What one of the token's scopes is here. Only `map` gives `*`: what an issuer calls `*` is not for it to say. */
function scopeOf(entry: IssuerEntry["scopes"], word: string): readonly string[] {
  const { map, prefix } = entry ?? {};
  if (map !== undefined && Object.hasOwn(map, word)) return [map[word] ?? ""];
  if (prefix === undefined) return map === undefined && isOrdinary(word) ? [word] : [];
  const rest = word.startsWith(prefix) ? word.slice(prefix.length) : "";
  return isOrdinary(rest) ? [rest] : [];
}

function isOrdinary(scope: string): boolean {
  return scope !== "*" && isScope(scope);
}

function isWanted(found: unknown, wanted: string | boolean | readonly string[]): boolean {
  if (typeof wanted === "boolean") return found === wanted;
  const accepted = typeof wanted === "string" ? [wanted] : wanted;
  return textsOf(found).some((each) => accepted.includes(each));
}

/** A text, or the texts of a list. */
function textsOf(value: unknown): readonly string[] {
  const all: readonly unknown[] = Array.isArray(value) ? value.slice(0, MAX_VALUES) : [value];
  return all.filter((each): each is string => typeof each === "string" && each !== "");
}

function missing(claim: string): Refusal {
  return refuse("unauthenticated", `the token has no usable claim "${claim}"`);
}
