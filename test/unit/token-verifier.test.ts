// Proves that only tokens which the tenant's issuer signed for this resource, now, open anything: every other kind is refused with its reason.
import { SignJWT, UnsecuredJWT, exportSPKI, importJWK } from "jose";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { createEgress } from "../../src/adapters/egress.ts";
import { issuerTokens } from "../../src/adapters/identity/token-verifier.ts";
import type { ConfigDocument } from "../../src/core/config/document.ts";
import { sha256Hex } from "../../src/core/json/digest.ts";
import {
  AUDIENCE,
  identityDocument,
  ISSUER,
  KEYS_URL,
  METADATA_URL,
  networkWith,
  signingKey,
  START_S,
  tokenOf,
  type Network,
  type SigningKey,
} from "./issuer-fixture.ts";

let rsa: SigningKey;
let ec: SigningKey;
let ed: SigningKey;
let next: SigningKey;

beforeAll(async () => {
  rsa = await signingKey("RS256", "rsa-1");
  ec = await signingKey("ES256", "ec-1");
  ed = await signingKey("EdDSA", "ed-1");
  next = await signingKey("ES256", "ec-2");
});

const standard = (): Network => networkWith(rsa.jwk, ec.jwk, ed.jwk);

function shown(token: string, document = identityDocument(), tenant = "acme") {
  return { tenant, document, token, audiences: [AUDIENCE] };
}

/** The refusal's code and sentence, or what was accepted. */
async function verdict(network: Network, token: string, document: ConfigDocument = identityDocument()) {
  const found = await network.verifier.verify(shown(token, document));
  return found.ok ? "accepted" : `${found.code}: ${found.detail}`;
}

describe("a good token", () => {
  it.each(["RS256", "ES256", "EdDSA"])("signed with %s makes an agent of its holder", async (alg) => {
    const key = [rsa, ec, ed].find((each) => each.alg === alg) ?? rsa;
    const found = await standard().verifier.verify(shown(await tokenOf(key)));
    expect(found).toEqual({
      ok: true,
      value: {
        principal: {
          tenant: "acme",
          keyId: `jwt:acme:${sha256Hex("user-7").slice(0, 16)}`,
          roles: ["agent"],
          scopes: ["billing:write", "crm:read"],
          actors: ["support"],
          isRoot: false,
        },
        user: "user-7",
        expiresAt: (START_S + 600) * 1000,
      },
    });
  });

  it("may be an RFC 9068 access token, for several audiences, without a `kid`", async () => {
    const network = standard();
    const types = ["at+jwt", "application/at+jwt", "JWT"];
    for (const typ of types) expect(await verdict(network, await tokenOf(ec, { header: { typ } }))).toBe("accepted");
    const several = await tokenOf(ec, { claims: { aud: ["other", AUDIENCE] } });
    expect(await verdict(network, several)).toBe("accepted");
    expect(await verdict(network, await tokenOf(ec, { header: { kid: undefined } }))).toBe("accepted");
  });

  it("may be signed by any of several keys that fit, where it names none", async () => {
    const network = networkWith({ ...next.jwk, kid: "a" }, { ...ec.jwk, kid: "b" });
    expect(await verdict(network, await tokenOf(ec, { header: { kid: undefined } }))).toBe("accepted");
  });
});

describe("refused", () => {
  const cases: readonly (readonly [string, () => Promise<string>, string])[] = [
    ["expired", () => tokenOf(ec, { claims: { exp: START_S - 61 } }), "the token has expired"],
    ["not valid yet", () => tokenOf(ec, { claims: { nbf: START_S + 61 } }), "the token is not valid yet"],
    ["another audience", () => tokenOf(ec, { claims: { aud: "https://other.example" } }), "another audience"],
    ["a server's audience", () => tokenOf(ec, { claims: { aud: `${AUDIENCE}/github` } }), "another audience"],
    ["no audience", () => tokenOf(ec, { claims: { aud: undefined } }), 'no usable claim "aud"'],
    ["no end", () => tokenOf(ec, { claims: { exp: undefined } }), 'no usable claim "exp"'],
    ["an end that is no number", () => tokenOf(ec, { claims: { exp: "never" } }), "exp"],
    ["no subject", () => tokenOf(ec, { claims: { sub: undefined } }), 'no usable claim "sub"'],
    ["another issuer", () => tokenOf(ec, { claims: { iss: "https://evil.example" } }), "none of the tenant's"],
    ["an issuer spelled otherwise", () => tokenOf(ec, { claims: { iss: `${ISSUER}/` } }), "none of the tenant's"],
    ["a list of issuers", () => tokenOf(ec, { claims: { iss: [ISSUER] } }), "none of the tenant's"],
    ["an unknown key", () => tokenOf(next), "no key of the issuer"],
    ["another's key of that name", () => tokenOf({ ...next, kid: "ec-1" }), "signature is not good"],
    ["a logout token", () => tokenOf(ec, { header: { typ: "logout+jwt" } }), "no access token by its `typ`"],
    ["a proof", () => tokenOf(ec, { header: { typ: "dpop+jwt" } }), "no access token by its `typ`"],
    ["a bound token", () => tokenOf(ec, { claims: { cnf: { jkt: "x" } } }), "bound to a key"],
    ["an empty subject", () => tokenOf(ec, { claims: { sub: "" } }), 'no usable claim "sub"'],
    ["no JWT", () => Promise.resolve("a.b.c"), "no signed JWT"],
    ["longer than any", () => Promise.resolve("a".repeat(16_385)), "longer than 16384"],
  ];

  it.each(cases)("%s", async (_, make, reason) => {
    const said = await verdict(standard(), await make());
    expect(said).toContain("unauthenticated: ");
    expect(said).toContain(reason);
  });

  it("within the skew the clock of the issuer may be off, and no further", async () => {
    const network = standard();
    expect(await verdict(network, await tokenOf(ec, { claims: { exp: START_S - 59 } }))).toBe("accepted");
    expect(await verdict(network, await tokenOf(ec, { claims: { nbf: START_S + 59 } }))).toBe("accepted");
    const strict = identityDocument({ clock_skew_s: 0 });
    expect(await verdict(network, await tokenOf(ec, { claims: { exp: START_S } }), strict)).toContain("expired");
  });

  it("ends with time, while the isolate lives on", async () => {
    const network = standard();
    const token = await tokenOf(ec);
    expect(await verdict(network, token)).toBe("accepted");
    network.now += 661_000;
    expect(await verdict(network, token)).toContain("has expired");
  });

  it("no refusal repeats anything that the token says", async () => {
    const secret = "s3cr3t-value";
    const network = standard();
    const all = [
      { sub: secret, exp: START_S - 100 },
      { sub: secret, aud: secret },
      { sub: secret, iss: `https://${secret}.example` },
      { sub: secret, actor: secret },
      { sub: secret, cnf: secret },
    ];
    for (const claims of all) expect(await verdict(network, await tokenOf(ec, { claims }))).not.toContain(secret);
    expect(await verdict(network, await tokenOf(ec, { header: { kid: secret } }))).not.toContain(secret);
  });
});

describe("confused algorithms", () => {
  const claims = { iss: ISSUER, aud: AUDIENCE, sub: "x", exp: START_S + 600, actor: "support" };

  it("none signs nothing, in any spelling", async () => {
    const unsigned = new UnsecuredJWT(claims).encode();
    expect(await verdict(standard(), unsigned)).toContain("of a kind that is not taken");
    const body = unsigned.split(".")[1] ?? "";
    for (const alg of ["none", "None", "NONE", ""]) {
      const header = Buffer.from(JSON.stringify({ alg })).toString("base64url");
      for (const end of ["", ".", ".AA"])
        expect(await verdict(standard(), `${header}.${body}${end}`)).not.toBe("accepted");
    }
  });

  it("a public key is no shared secret", async () => {
    const publicKey = await importJWK(rsa.jwk, "RS256", { extractable: true });
    if (publicKey instanceof Uint8Array) throw new Error("expected a key");
    const pem = await exportSPKI(publicKey);
    for (const secret of [pem, pem.trim(), JSON.stringify(rsa.jwk), rsa.jwk.n ?? ""]) {
      const forged = await new SignJWT(claims)
        .setProtectedHeader({ alg: "HS256", kid: rsa.kid })
        .sign(new TextEncoder().encode(secret.padEnd(32, "x")));
      expect(await verdict(standard(), forged)).toContain("of a kind that is not taken");
    }
  });

  it("a key in the token's own header is nobody's", async () => {
    const header = { kid: "ec-1", jwk: next.jwk, jku: "https://evil.example/keys", x5u: "https://evil.example" };
    const network = standard();
    expect(await verdict(network, await tokenOf(next, { header }))).toContain("signature is not good");
    expect(network.asked.some((url) => url.includes("evil"))).toBe(false);
  });

  it("a key signs in its own way only, and in none that the config leaves out", async () => {
    const asOther = { ...rsa, alg: "PS256", privateKey: rsa.privateKey };
    await expect(tokenOf(asOther)).rejects.toThrow();
    expect(await verdict(standard(), await tokenOf(rsa), identityDocument({ algorithms: ["ES256"] }))).toContain(
      "expected ES256",
    );
    const lying = networkWith({ ...ec.jwk, alg: "RS256" });
    expect(await verdict(lying, await tokenOf(ec))).toContain("no key of the issuer");
  });

  it("keys that are secret, for encryption, or private in the open, are not used", async () => {
    const open = await signingKey("ES256", "open");
    const network = networkWith(
      { kty: "oct", k: "c2VjcmV0", kid: "oct", alg: "HS256" },
      { ...ec.jwk, use: "enc" },
      { ...open.jwk, d: "AAAA" },
    );
    expect(await verdict(network, await tokenOf(ec))).toContain("no key of the issuer");
    expect(await verdict(network, await tokenOf(open))).toContain("no key of the issuer");
  });

  it("an extension that must be understood is not", async () => {
    const token = await tokenOf(ec, { header: { typ: "JWT" } });
    const [, body = "", end = ""] = token.split(".");
    const header = Buffer.from(JSON.stringify({ alg: "ES256", kid: "ec-1", crit: ["x"], x: 1 })).toString("base64url");
    expect(await verdict(standard(), `${header}.${body}.${end}`)).toContain("unauthenticated: ");
  });
});

describe("no altered token", () => {
  it("passes, wherever a byte changed", async () => {
    const network = standard();
    const tokens = await Promise.all([rsa, ec, ed].map((key) => tokenOf(key)));
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...tokens),
        fc.nat(),
        fc.constantFrom(..."ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.".split("")),
        async (token, place, letter) => {
          const at = place % token.length;
          const altered = `${token.slice(0, at)}${letter}${token.slice(at + 1)}`;
          fc.pre(altered !== token && !sameBytes(altered, token));
          expect(await verdict(network, altered)).not.toBe("accepted");
        },
      ),
      { numRuns: 400 },
    );
  });

  it("passes, whatever its claims were changed to under the old signature", async () => {
    const network = standard();
    const [header = "", , end = ""] = (await tokenOf(ec)).split(".");
    await fc.assert(
      fc.asyncProperty(fc.dictionary(fc.string(), fc.jsonValue()), async (claims) => {
        const body = Buffer.from(
          JSON.stringify({ iss: ISSUER, aud: AUDIENCE, sub: "x", exp: START_S + 60, actor: "support", ...claims }),
        ).toString("base64url");
        expect(await verdict(network, `${header}.${body}.${end}`)).not.toBe("accepted");
      }),
      { numRuns: 100 },
    );
  });

  /** The last letter of base64url may have bits that stand for nothing. */
  function sameBytes(left: string, right: string): boolean {
    const read = (text: string) => text.split(".").map((part) => Buffer.from(part, "base64url").toString("hex"));
    return JSON.stringify(read(left)) === JSON.stringify(read(right));
  }
});

describe("keys of an issuer", () => {
  it("are asked for once, and again when they are ten minutes old", async () => {
    const network = standard();
    const token = await tokenOf(ec, { claims: { exp: START_S + 7200 } });
    for (let call = 0; call < 3; call += 1) expect(await verdict(network, token)).toBe("accepted");
    expect(network.asked).toEqual([METADATA_URL, KEYS_URL]);
    network.now += 600_001;
    expect(await verdict(network, token)).toBe("accepted");
    expect(network.asked).toHaveLength(4);
  });

  it("are asked for once by many calls at a time", async () => {
    const network = standard();
    const token = await tokenOf(ec);
    const all = await Promise.all(Array.from({ length: 8 }, () => verdict(network, token)));
    expect(new Set(all)).toEqual(new Set(["accepted"]));
    expect(network.asked).toEqual([METADATA_URL, KEYS_URL]);
  });

  it("rotate: a new one is found at once, an unknown one costs a question in thirty seconds", async () => {
    const network = standard();
    expect(await verdict(network, await tokenOf(ec))).toBe("accepted");
    network.now += 30_001;
    for (let call = 0; call < 5; call += 1) expect(await verdict(network, await tokenOf(next))).toContain("no key");
    expect(network.asked).toHaveLength(4);
    network.pages.set(KEYS_URL, { keys: [next.jwk] });
    expect(await verdict(network, await tokenOf(next))).toContain("no key");
    network.now += 30_001;
    expect(await verdict(network, await tokenOf(next))).toBe("accepted");
    expect(await verdict(network, await tokenOf(ec))).toContain("no key");
    expect(network.asked).toHaveLength(6);
  });

  it("serve for an hour while the issuer is down, and then no more", async () => {
    const network = standard();
    const token = await tokenOf(ec, { claims: { exp: START_S + 7200 } });
    expect(await verdict(network, token)).toBe("accepted");
    network.pages.set(METADATA_URL, new Error("down"));
    network.now += 3_590_000;
    expect(await verdict(network, token)).toBe("accepted");
    const asked = network.asked.length;
    expect(await verdict(network, token)).toBe("accepted");
    expect(network.asked).toHaveLength(asked);
    network.now += 20_000;
    expect(await verdict(network, token)).toMatch(/^issuer_unavailable: .*could not be reached/);
    network.pages.set(METADATA_URL, { issuer: ISSUER, jwks_uri: KEYS_URL });
    network.now += 5_001;
    expect(await verdict(network, token)).toBe("accepted");
  });

  it("are one tenant's own", async () => {
    const network = standard();
    const token = await tokenOf(ec);
    expect(await verdict(network, token)).toBe("accepted");
    const other = identityDocument({}, { egress: { allow: [] } });
    const found = await network.verifier.verify(shown(token, other, "globex"));
    expect(found).toMatchObject({ ok: false, code: "issuer_unavailable", retryAfterS: 5 });
    const elsewhere = identityDocument({ issuer: "https://idp.example/globex" });
    expect(await network.verifier.verify(shown(token, elsewhere, "globex"))).toMatchObject({
      ok: false,
      code: "unauthenticated",
    });
  });

  it("are where the config says, where RFC 8414 says, or nowhere", async () => {
    const network = standard();
    const token = await tokenOf(ec);
    const named = identityDocument({ jwks_url: "https://idp.example/elsewhere" });
    network.pages.set("https://idp.example/elsewhere", { keys: [ec.jwk] });
    expect(await verdict(network, token, named)).toBe("accepted");
    expect(network.asked).toEqual(["https://idp.example/elsewhere"]);
    const other = standard();
    other.pages.delete(METADATA_URL);
    other.pages.set("https://idp.example/.well-known/oauth-authorization-server/acme", {
      issuer: ISSUER,
      jwks_uri: KEYS_URL,
    });
    expect(await verdict(other, token)).toBe("accepted");
  });

  it.each([
    ["metadata of another issuer", METADATA_URL, { issuer: "https://evil.example", jwks_uri: KEYS_URL }],
    ["keys on a host that is not allowed", METADATA_URL, { issuer: ISSUER, jwks_uri: "https://evil.example/keys" }],
    ["keys inside the network", METADATA_URL, { issuer: ISSUER, jwks_uri: "http://169.254.169.254/keys" }],
    ["no keys", METADATA_URL, { issuer: ISSUER }],
    ["a page", KEYS_URL, () => new Response("<html>")],
    ["an error", KEYS_URL, () => new Response("{}", { status: 500 })],
    ["a list", KEYS_URL, []],
    ["more than fits", KEYS_URL, () => new Response(`{"keys":[],"x":"${"x".repeat(300_000)}"}`)],
  ])("are not had from %s", async (_, url, page) => {
    const network = standard();
    network.pages.set(url, page);
    expect(await verdict(network, await tokenOf(ec))).toMatch(/^issuer_unavailable: /);
    const { length } = network.asked;
    expect(await verdict(network, await tokenOf(ec))).toMatch(/^issuer_unavailable: /);
    expect(network.asked).toHaveLength(length);
  });

  it("are not asked for by a token that says something impossible first", async () => {
    const network = standard();
    await verdict(network, new UnsecuredJWT({ iss: ISSUER }).encode());
    await verdict(network, await tokenOf(ec, { claims: { iss: "https://evil.example" } }));
    expect(network.asked).toEqual([]);
  });

  it("go through the real egress, which lets nothing private pass", async () => {
    const system = { now: () => START_S * 1000, wait: () => Promise.resolve() };
    const verifier = issuerTokens(createEgress({ allowPrivate: false, services: new Map() }), system);
    const document = identityDocument({ jwks_url: "https://10.0.0.1/keys" }, { egress: { allow: ["10.0.0.1"] } });
    expect(await verifier.verify(shown(await tokenOf(ec), document))).toMatchObject({ code: "issuer_unavailable" });
  });
});
