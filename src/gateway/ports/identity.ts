// Names what the gateway needs to know a token's holder: signatures of the tenant's own issuers, checked.
import type { ConfigDocument } from "../../core/config/document.ts";
import type { Outcome } from "../../core/errors.ts";
import type { TokenCaller } from "../../core/identity/token-claims.ts";

/** A token, and what it is to open. */
export interface TokenShown {
  readonly tenant: string;
  /** The tenant's active config. */
  readonly document: ConfigDocument;
  /** The text of the token, which must never be recorded. */
  readonly token: string;
  /** What the resource is called: audiences that count where the issuer's entry lists none. */
  readonly audiences: readonly string[];
}

/**
 * Tokens of the tenants' issuers. Refuses `unauthenticated` with what is wrong (not a signed JWT, an unknown issuer or
 * key, the signature, the time, the audience, a claim), `actor_forbidden` for an actor that the config has not, and
 * `issuer_unavailable` while an issuer's keys cannot be had. Never throws; no refusal repeats anything of the token.
 */
export interface TokenVerifier {
  verify(shown: TokenShown): Promise<Outcome<TokenCaller>>;
}
