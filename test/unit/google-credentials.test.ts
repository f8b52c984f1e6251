// What Google is sent: addresses, API keys, and assertions that anybody with the public key can check (RFC 7515, RFC 7523).
import { createPublicKey, generateKeyPairSync, verify } from "node:crypto";
import { describe, expect, it } from "vitest";
import { AccessTokens } from "../../src/adapters/access-tokens.ts";
import type { Egress, EgressRequest } from "../../src/adapters/egress.ts";
import {
  geminiAddress,
  geminiMethodAddress,
  googleAuthorization,
  googleToken,
} from "../../src/adapters/models/google-credentials.ts";

const VERTEX = { project: "acme-prod-1", location: "europe-west4" };
const { privateKey, publicKey } = generateKeyPairSync("rsa", {
  modulusLength: 2048,
  privateKeyEncoding: { type: "pkcs8", format: "pem" },
  publicKeyEncoding: { type: "spki", format: "pem" },
});

function accountKey(more: Record<string, unknown> = {}): string {
  return JSON.stringify({
    type: "service_account",
    project_id: "acme-prod-1",
    private_key_id: "key-7",
    private_key: privateKey,
    client_email: "gateway@acme-prod-1.iam.gserviceaccount.com",
    token_uri: "https://oauth2.googleapis.com/token",
    ...more,
  });
}

interface Endpoint {
  readonly tokens: AccessTokens;
  readonly asked: EgressRequest[];
  now: number;
}

function endpoint(answer: (asked: number) => Response): Endpoint {
  const asked: EgressRequest[] = [];
  const egress: Egress = (request) => {
    asked.push(request);
    return Promise.resolve({ sent: true, response: answer(asked.length) });
  };
  const clock = { now: 1_800_000_000_500 };
  return Object.assign(clock, { asked, tokens: new AccessTokens(egress, { now: () => clock.now }) });
}

const granting = (asked: number): Response =>
  Response.json({ access_token: `ya29.token-${asked}`, expires_in: 3599, token_type: "Bearer" });

function request(more: { tenant?: string; key?: string; allowedHosts?: readonly string[] } = {}) {
  return { tenant: "acme", key: accountKey(), allowedHosts: [], signal: new AbortController().signal, ...more };
}

describe("addresses", () => {
  it("names the model in the path, whole and as server-sent events", () => {
    expect(geminiAddress({}, "gemini-2.5-pro", false)).toEqual({
      url: "https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-pro:generateContent",
      allowedHosts: ["generativelanguage.googleapis.com"],
    });
    expect(geminiAddress({}, "models/gemini-2.5-pro", true).url).toBe(
      "https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-pro:streamGenerateContent?alt=sse",
    );
    expect(geminiMethodAddress({}, "tunedModels/mine", "countTokens").url).toBe(
      "https://generativelanguage.googleapis.com/v1beta/tunedModels/mine:countTokens",
    );
  });

  it("asks Vertex AI in the project's region, and the global endpoint without one", () => {
    expect(geminiAddress({ vertex: VERTEX }, "gemini-2.5-flash", true)).toEqual({
      url: "https://europe-west4-aiplatform.googleapis.com/v1/projects/acme-prod-1/locations/europe-west4/publishers/google/models/gemini-2.5-flash:streamGenerateContent?alt=sse",
      allowedHosts: ["europe-west4-aiplatform.googleapis.com"],
    });
    expect(geminiAddress({ vertex: { ...VERTEX, location: "global" } }, "models/gemini-2.5-flash", false).url).toBe(
      "https://aiplatform.googleapis.com/v1/projects/acme-prod-1/locations/global/publishers/google/models/gemini-2.5-flash:generateContent",
    );
    expect(geminiAddress({ vertex: VERTEX }, "publishers/meta/models/llama@1", false).url).toContain(
      "/locations/europe-west4/publishers/meta/models/llama%401:generateContent",
    );
    expect(geminiAddress({ vertex: VERTEX }, "endpoints/42", false).url).toContain(
      "/locations/europe-west4/endpoints/42:",
    );
  });

  it("takes a base address with its own version, or a host alone, where the config's hosts are allowed", () => {
    const at = (base_url: string) => geminiAddress({ base_url }, "m", false);
    expect(at("http://localhost:9")).toEqual({
      url: "http://localhost:9/v1beta/models/m:generateContent",
      allowedHosts: undefined,
    });
    expect(at("https://proxy.example/google/v1/").url).toBe("https://proxy.example/google/v1/models/m:generateContent");
    expect(geminiAddress({ base_url: "http://localhost:9", vertex: VERTEX }, "m", false).url).toBe(
      "http://localhost:9/v1/projects/acme-prod-1/locations/europe-west4/publishers/google/models/m:generateContent",
    );
  });
});

describe("API keys", () => {
  it("go in Google's own header and ask nobody", async () => {
    const { tokens, asked } = endpoint(granting);
    const found = await googleAuthorization(tokens, {}, request({ key: "AIza-key" }));
    expect(found).toMatchObject({ ok: true, name: "x-goog-api-key", value: "AIza-key", texts: ["AIza-key"] });
    expect(asked).toEqual([]);
  });
});

describe("service accounts", () => {
  it("sign an assertion that their public key verifies", async () => {
    const { tokens, asked } = endpoint(granting);
    expect(await googleToken(tokens, request())).toEqual({ ok: true, token: "ya29.token-1" });
    const [sent] = asked;
    expect(sent).toMatchObject({ url: "https://oauth2.googleapis.com/token", method: "POST" });
    expect(sent?.allowedHosts).toEqual(["oauth2.googleapis.com"]);
    const form = new URLSearchParams(String(sent?.body));
    expect(form.get("grant_type")).toBe("urn:ietf:params:oauth:grant-type:jwt-bearer");
    const [header = "", claims = "", signature = ""] = form.get("assertion")?.split(".") ?? [];
    const read = (part: string): unknown => JSON.parse(Buffer.from(part, "base64url").toString());
    expect(read(header)).toEqual({ alg: "RS256", typ: "JWT", kid: "key-7" });
    expect(read(claims)).toEqual({
      iss: "gateway@acme-prod-1.iam.gserviceaccount.com",
      scope: "https://www.googleapis.com/auth/cloud-platform",
      aud: "https://oauth2.googleapis.com/token",
      iat: 1_800_000_000,
      exp: 1_800_003_600,
    });
    const check = (text: string): boolean =>
      verify("sha256", Buffer.from(text), createPublicKey(publicKey), Buffer.from(signature, "base64url"));
    expect(check(`${header}.${claims}`)).toBe(true);
    expect(check(`${header}.${claims}x`)).toBe(false);
  });

  it("keep a token until shortly before it ends, for one tenant and one key", async () => {
    const google = endpoint(granting);
    const token = async (more = {}) => (await googleToken(google.tokens, request(more))).ok;
    for (let call = 0; call < 3; call += 1) expect(await token()).toBe(true);
    expect(google.asked).toHaveLength(1);
    await token({ tenant: "globex" });
    await token({ key: accountKey({ private_key_id: "key-8" }) });
    expect(google.asked).toHaveLength(3);
    google.now += 3_530_000;
    await token();
    expect(google.asked).toHaveLength(3);
    google.now += 10_000;
    await token();
    expect(google.asked).toHaveLength(4);
  });

  it("ask once for many calls at a time", async () => {
    const google = endpoint(granting);
    const all = await Promise.all(Array.from({ length: 8 }, () => googleToken(google.tokens, request())));
    expect(new Set(all.map((answer) => JSON.stringify(answer)))).toEqual(
      new Set([JSON.stringify({ ok: true, token: "ya29.token-1" })]),
    );
    expect(google.asked).toHaveLength(1);
  });

  it("ask anew after their token was refused", async () => {
    const { tokens } = endpoint(granting);
    const authorize = () => googleAuthorization(tokens, { vertex: VERTEX }, request());
    const first = await authorize();
    expect(first).toMatchObject({ ok: true, name: "authorization", value: "Bearer ya29.token-1" });
    if (first.ok) first.refused();
    expect(await authorize()).toMatchObject({ value: "Bearer ya29.token-2", texts: ["ya29.token-2"] });
  });

  it.each([
    ["no JSON", "AIza-key", "service account key"],
    ["another JSON", JSON.stringify({ type: "authorized_user", client_id: "x" }), "service account key"],
    ["no address", JSON.stringify({ private_key: privateKey }), "service account key"],
    ["an older form of key", accountKey({ private_key: "-----BEGIN RSA PRIVATE KEY-----\nAA==" }), "PKCS #8"],
    [
      "a broken key",
      accountKey({ private_key: "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----" }),
      "RSA key",
    ],
  ])("are refused with %s, and nothing of it is repeated", async (_, key, reason) => {
    const { tokens, asked } = endpoint(granting);
    const answer = await googleToken(tokens, request({ key }));
    expect(answer.ok).toBe(false);
    expect(answer.ok ? "" : answer.reason).toContain(reason);
    expect(JSON.stringify(answer)).not.toContain("AAAA");
    expect(asked).toEqual([]);
  });

  it("tell that an endpoint refused without what it said", async () => {
    const { tokens } = endpoint(() => Response.json({ error: "invalid_grant", hint: "secret words" }, { status: 400 }));
    expect(await googleToken(tokens, request())).toEqual({ ok: false, reason: "the token endpoint answered 400" });
  });
});
