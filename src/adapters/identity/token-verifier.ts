// Decides whether a token is one that the tenant's issuer signed for this resource (RFC 7519, RFC 8725, RFC 9068), with jose.
import { createLocalJWKSet, decodeJwt, decodeProtectedHeader, errors, jwtVerify } from "jose";
import type { CompactJWSHeaderParameters, CryptoKey, JWK, JWTPayload } from "jose";
import { IDENTITY_DEFAULTS, type IdentityEntry, type IssuerEntry } from "../../core/config/identity-document.ts";
import { accept, refuse, type Outcome, type Refusal } from "../../core/errors.ts";
import { callerOf } from "../../core/identity/token-claims.ts";
import type { System } from "../../gateway/ports.ts";
import type { TokenShown, TokenVerifier } from "../../gateway/ports/identity.ts";
import type { Egress } from "../egress.ts";
import { IssuerKeys } from "./issuer-keys.ts";

/** A token with many groups in it has some thousand characters. */
const MAX_TOKEN_CHARS = 16_384;
/** Kinds of JWT that may be access tokens; logout tokens, proofs and others say what they are (RFC 8725 s3.11). */
const TYPES = new Set(["jwt", "at+jwt", "application/at+jwt"]);
/** Keys tried where a token does not say which it was signed with. */
const MAX_TRIED = 8;
/** Seconds after which an issuer may be back. */
const RETRY_AFTER_S = 5;

/** Tokens checked with keys that are fetched through egress. */
export function issuerTokens(egress: Egress, system: Pick<System, "now" | "wait">): TokenVerifier {
  const issuerKeys = new IssuerKeys(egress, system);
  return {
    verify: async (shown) => {
      const read = readToken(shown);
      if (!read.ok) return read;
      const { name, entry, header } = read.value;
      const { tenant, document } = shown;
      const order = {
        tenant,
        issuer: entry.issuer,
        jwksUrl: entry.jwks_url,
        allowedHosts: document.egress.allow,
      };
      const found = await issuerKeys.find(order, (key) => suits(key, header));
      if (!found.ok)
        return refuse("issuer_unavailable", `the keys of the issuer "${name}" cannot be had: ${found.reason}`, {
          retryAfterS: RETRY_AFTER_S,
        });
      const keys = found.keys.filter((key) => suits(key, header));
      if (keys.length === 0) return refused(`no key of the issuer "${name}" signed the token`);
      const claims = await claimsOf(shown, entry, keys, system.now());
      return claims.ok ? callerOf({ tenant, name, entry, actors: document.actors }, claims.value) : claims;
    },
  };
}

interface ReadToken {
  readonly name: string;
  readonly entry: IssuerEntry;
  readonly header: CompactJWSHeaderParameters;
}

/** What a token says of itself, before anything is believed or asked. */
function readToken({ token, document }: TokenShown): Outcome<ReadToken> {
  if (token.length > MAX_TOKEN_CHARS) return refused(`the token is longer than ${MAX_TOKEN_CHARS} characters`);
  const parts = partsOf(token);
  if (parts === undefined) return refused("the token is no signed JWT");
  const issuer = issuerOf(document.identity, parts.claims.iss);
  if (issuer === undefined) return refused("the token's issuer (`iss`) is none of the tenant's");
  const { alg, typ } = parts.header;
  const allowed: readonly string[] = issuer.entry.algorithms ?? IDENTITY_DEFAULTS.algorithms;
  if (!allowed.includes(alg))
    return refused(`the token's signature is of a kind that is not taken: expected ${allowed.join(", ")}`);
  if (typ !== undefined && !(typeof typ === "string" && TYPES.has(typ.toLowerCase())))
    return refused("the token is no access token by its `typ`");
  return accept({ ...issuer, header: parts.header });
}

function partsOf(
  token: string,
): { readonly header: CompactJWSHeaderParameters; readonly claims: JWTPayload } | undefined {
  try {
    const { alg, ...header } = decodeProtectedHeader(token);
    return typeof alg === "string" ? { header: { ...header, alg }, claims: decodeJwt(token) } : undefined;
  } catch {
    return undefined;
  }
}

function issuerOf(
  { issuers }: IdentityEntry,
  iss: unknown,
): { readonly name: string; readonly entry: IssuerEntry } | undefined {
  const found = Object.entries(issuers).find(([, entry]) => entry.issuer === iss);
  return found === undefined ? undefined : { name: found[0], entry: found[1] };
}

/** Whether a key may have signed: the one that the header names, or any where it names none. */
function suits({ kid, alg }: JWK, header: CompactJWSHeaderParameters): boolean {
  return (header.kid === undefined || header.kid === kid) && (alg === undefined || alg === header.alg);
}

async function claimsOf(
  { token, audiences }: TokenShown,
  entry: IssuerEntry,
  keys: readonly JWK[],
  nowMs: number,
): Promise<Outcome<JWTPayload>> {
  const expected = entry.audiences ?? audiences;
  if (expected.length === 0)
    return refused("the deployment has no PUBLIC_URL to be the audience: the issuer's entry needs `audiences`");
  const verify = (key: CryptoKey): Promise<{ readonly payload: JWTPayload }> =>
    jwtVerify(token, key, {
      algorithms: [...(entry.algorithms ?? IDENTITY_DEFAULTS.algorithms)],
      issuer: entry.issuer,
      audience: [...expected],
      clockTolerance: entry.clock_skew_s ?? IDENTITY_DEFAULTS.clockSkewS,
      currentDate: new Date(nowMs),
      requiredClaims: ["exp"],
    });
  try {
    return accept(await verifiedBy(token, keys, verify));
  } catch (error) {
    return refusalOf(error, expected);
  }
}

/** The claims, verified with the one key that suits or, where the token names none, with one of those that do. */
async function verifiedBy(
  token: string,
  keys: readonly JWK[],
  verify: (key: CryptoKey) => Promise<{ readonly payload: JWTPayload }>,
): Promise<JWTPayload> {
  let failure: unknown = new errors.JWKSNoMatchingKey();
  for (const key of keys.slice(0, MAX_TRIED)) {
    try {
      // One key at a time, imported for this request: nothing that is under way is shared between requests.
      const imported = await createLocalJWKSet({ keys: [key] })(decodeProtectedHeader(token));
      return (await verify(imported)).payload;
    } catch (error) {
      failure = error;
      // Only another key can make another end of these.
      const isOfKey =
        error instanceof errors.JWSSignatureVerificationFailed || error instanceof errors.JWKSNoMatchingKey;
      if (!isOfKey) throw error;
    }
  }
  throw failure;
}

/** What went wrong, in our words: jose's errors carry the claims. */
function refusalOf(error: unknown, audiences: readonly string[]): Refusal {
  if (error instanceof errors.JWTExpired) return refused("the token has expired");
  if (error instanceof errors.JWTClaimValidationFailed) return claimRefusal(error, audiences);
  if (error instanceof errors.JWSSignatureVerificationFailed) return refused("the token's signature is not good");
  if (error instanceof errors.JWKSNoMatchingKey) return refused("no key of the issuer signed the token");
  return refused("the token cannot be read, or its key cannot be used");
}

function claimRefusal({ claim, reason }: errors.JWTClaimValidationFailed, audiences: readonly string[]): Refusal {
  if (reason === "missing") return refused(`the token has no usable claim "${claim}"`);
  if (claim === "nbf") return refused("the token is not valid yet");
  return claim === "aud"
    ? refused(
        `the token is for another audience (\`aud\`): expected ${audiences.map((each) => `"${each}"`).join(" or ")}`,
      )
    : refused(`the token's claim "${claim}" is not as expected`);
}

function refused(detail: string): Refusal {
  return refuse("unauthenticated", detail);
}
