// Says what the fields of the config's identity section mean, for docs/config-reference.md.

/** Descriptions by path. */
export const IDENTITY_FIELDS: Readonly<Record<string, string>> = {
  identity: "Whose tokens open the MCP surface, beside API keys. See [signing in](guides/mcp-sign-in.md).",
  "identity.issuers": "Issuers, by a name of yours, which stands in the key id of whoever they sign in.",
  "identity.issuers.*.issuer":
    "Exactly as tokens spell it in `iss`. `https`; its host must be in `egress.allow`, unless `jwks_url` says where its keys are.",
  "identity.issuers.*.jwks_url":
    "Where its keys are; the host must be in `egress.allow`. Found by its metadata when left out: `<issuer>/.well-known/openid-configuration`, else RFC 8414's address.",
  "identity.issuers.*.audiences":
    "What `aud` may be. The address of the MCP surface when left out: `<PUBLIC_URL>/mcp`, with the server and the tenant that the request's address names.",
  "identity.issuers.*.algorithms":
    "Signatures that count. `RS256`, `ES256`, `EdDSA` and `PS256` when left out. `none` and shared secrets never do.",
  "identity.issuers.*.clock_skew_s": "Seconds by which its clock may be off. 60 when left out.",
  "identity.issuers.*.actor": "Which actor the holder of a token is. Either `claim` or `default`, or both.",
  "identity.issuers.*.actor.claim":
    "The claim that says so, by name or by a dotted path such as `realm_access.roles`. A list may lead to several actors; the caller then names one.",
  "identity.issuers.*.actor.map":
    "Actors by the claim's value. Without it the value is the actor; one that the config has not is refused.",
  "identity.issuers.*.actor.default": "The actor of tokens whose claim is missing or says nothing that `map` knows.",
  "identity.issuers.*.user": "The person on whose behalf the agent acts.",
  "identity.issuers.*.user.claim": "The claim that names the person. `sub` when the section is left out.",
  "identity.issuers.*.scopes": "Which scopes a token gives; a call has those that its actor has too.",
  "identity.issuers.*.scopes.claim": "A text of words, or a list. `scope` when left out.",
  "identity.issuers.*.scopes.map":
    "Scopes by the token's own words. Once declared, other words count only by `prefix`. Only here can a token get `*`.",
  "identity.issuers.*.scopes.prefix":
    "Stands before the token's words that are scopes here, and is taken off. Other words do not count.",
  "identity.issuers.*.scopes.ask_prefix":
    "Stands before scopes where clients ask the issuer for them, and not in its tokens, as at Entra ID.",
  "identity.issuers.*.roles": "Only `agent`, which is also what a token gives when this is left out.",
  "identity.issuers.*.requires":
    "Claims that a token must have, each with the value, or one of the values, it must say: the organisation, the directory, the group. A list needs one of them.",
};
