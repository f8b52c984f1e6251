// Proves what a tool is sent as credential, by kind; that tokens are fetched once; and that no credential is ever seen again.
import { afterEach, describe, expect, it, vi } from "vitest";
import { asRoot, bindings, createTenant, request, upstream, type TestTenant } from "./tenant.ts";

afterEach(() => vi.restoreAllMocks());

const SECRET = "s3cret-of-the-tool/+&=%ü";
const TOKENS = {
  kind: "oauth2_client_credentials",
  token_url: "https://tool.test/token",
  client_id: "me&you",
  secret: "key",
};

async function tenantWith(auth: object, tool: object = {}): Promise<TestTenant> {
  const tenant = await createTenant({}, { auth: undefined });
  await asRoot(tenant.id, "/v1/secrets/key", "PUT", { value: SECRET });
  await asRoot(tenant.id, "/v1/secrets/user", "PUT", { value: "user-name-of-the-tool" });
  const { document } = await (await asRootGet(tenant.id)).json<{ document: { tools: Record<string, object> } }>();
  const tools = { refund: { ...document.tools["refund"], amount: undefined, ...tool, auth } };
  const published = await request("/v1/config", "root-key-of-the-tests", {
    method: "PUT",
    headers: { "interlock-tenant": tenant.id, "if-match": '"1"' },
    body: JSON.stringify({ ...document, tools }),
  });
  expect(published.status, await published.clone().text()).toBe(200);
  return tenant;
}

function asRootGet(tenant: string): Promise<Response> {
  return request("/v1/config", "root-key-of-the-tests", { headers: { "interlock-tenant": tenant } });
}

function call(tenant: TestTenant, key: string = crypto.randomUUID()): Promise<Response> {
  return request("/v1/tool-calls", tenant.agent, {
    method: "POST",
    headers: { "interlock-session": "s", "idempotency-key": key },
    body: JSON.stringify({ tool_call: { name: "refund", args: { amount_usd: 5 } } }),
  });
}

async function hmacHex(secret: string, text: string): Promise<string> {
  const [raw, data] = [secret, text].map((each) => new TextEncoder().encode(each));
  const key = await crypto.subtle.importKey("raw", raw ?? new Uint8Array(), { name: "HMAC", hash: "SHA-256" }, false, [
    "sign",
  ]);
  const mac = new Uint8Array(await crypto.subtle.sign("HMAC", key, data ?? new Uint8Array()));
  return [...mac].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** A tool with a token endpoint: `lives` says for how many calls a token is good. */
function withTokens(more: { readonly lives?: number; readonly expiresIn?: number; readonly status?: number } = {}): {
  readonly sent: Request[];
  readonly tokens: () => number;
  readonly forms: readonly string[];
} {
  let issued = 0;
  const forms: string[] = [];
  const uses = new Map<string, number>();
  const { sent } = upstream(async (outgoing) => {
    if (new URL(outgoing.url).pathname === "/token") {
      await scheduler.wait(30);
      forms.push(await outgoing.text());
      issued += 1;
      return Response.json(
        { access_token: `access-token-${issued}`, token_type: "Bearer", expires_in: more.expiresIn ?? 3600 },
        { status: more.status ?? 200 },
      );
    }
    const token = outgoing.headers.get("authorization") ?? "";
    uses.set(token, (uses.get(token) ?? 0) + 1);
    if ((uses.get(token) ?? 0) > (more.lives ?? Infinity)) return Response.json({ echo: token }, { status: 401 });
    return Response.json({ echo: token, body: await outgoing.text() });
  });
  return { sent, tokens: () => issued, forms };
}

describe("a credential", () => {
  it("of kind basic is user and password", async () => {
    const { sent } = upstream(() => Response.json({}));
    for (const [auth, user] of [
      [{ kind: "basic", username: "u1", secret: "key" }, "u1"],
      [{ kind: "basic", username_secret: "user", secret: "key" }, "user-name-of-the-tool"],
    ] as const) {
      expect((await call(await tenantWith(auth))).status).toBe(200);
      const header = sent.at(-1)?.headers.get("authorization") ?? "";
      const bytes = Uint8Array.from(atob(header.replace("Basic ", "")), (each) => each.charCodeAt(0));
      expect(new TextDecoder().decode(bytes)).toBe(`${user}:${SECRET}`);
    }
  });

  it("of kind hmac signs exactly what is sent", async () => {
    const bodies: string[] = [];
    const { sent } = upstream(async (outgoing) => {
      bodies.push(await outgoing.text());
      return Response.json({});
    });
    const auth = {
      kind: "hmac",
      secret: "key",
      header: "X-Signature",
      algorithm: "sha256",
      signed: ["timestamp", "method", "path", "body"],
      key_id: "k1",
    };
    expect((await call(await tenantWith(auth, { query: { v: "{amount_usd}" } }))).status).toBe(200);
    const [first] = sent;
    const { pathname, search } = new URL(first?.url ?? "");
    const time = first?.headers.get("x-timestamp") ?? "";
    expect(Math.abs(Number(time) - Date.now() / 1000)).toBeLessThan(60);
    const text = [time, "POST", `${pathname}${search}`, bodies[0]].join("\n");
    expect(text).toContain("/refunds?v=5");
    expect(first?.headers.get("x-signature")).toBe(`k1:${await hmacHex(SECRET, text)}`);
  });

  it("of kind oauth2_client_credentials is fetched once for many calls at once, and kept", async () => {
    const tenant = await tenantWith({ ...TOKENS, scopes: ["a", "b"], audience: "https://aud.test" });
    const { sent, tokens, forms } = withTokens();
    const answers = await Promise.all(Array.from({ length: 8 }, () => call(tenant)));
    expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 8 }, () => 200));
    expect((await call(tenant)).status).toBe(200);
    expect(tokens()).toBe(1);
    const asked = sent.find(({ url }) => url.endsWith("/token"));
    expect(forms).toEqual(["grant_type=client_credentials&scope=a+b&audience=https%3A%2F%2Faud.test"]);
    const basic = atob((asked?.headers.get("authorization") ?? "").replace("Basic ", ""));
    expect(basic).toBe(`me%26you:${new URLSearchParams([["", SECRET]]).toString().slice(1)}`);
  });

  it("that is a token is renewed once when it is refused, also for a write, whose effect then happens once", async () => {
    const tenant = await tenantWith({ ...TOKENS, client_auth: "post" });
    const { sent, tokens } = withTokens({ lives: 1 });
    expect([(await call(tenant)).status, (await call(tenant)).status, tokens()]).toEqual([200, 200, 2]);
    expect(sent.filter(({ url }) => url.endsWith("/refunds")).length).toBe(3);
    vi.restoreAllMocks();
    const never = withTokens({ lives: 0 });
    const refused = await call(tenant);
    expect([refused.status, never.tokens()]).toEqual([502, 1]);
    expect(never.sent.filter(({ url }) => url.endsWith("/refunds")).length).toBe(2);
  });

  it("that is a token near its end is not used", async () => {
    const tenant = await tenantWith(TOKENS);
    const { tokens } = withTokens({ expiresIn: 0.01 });
    await call(tenant);
    await scheduler.wait(20);
    await call(tenant);
    expect(tokens()).toBe(2);
  });

  it("that cannot be had means that nothing was sent: failed, not unknown", async () => {
    const tenant = await tenantWith(TOKENS);
    const { sent } = withTokens({ status: 400 });
    const answer = await call(tenant);
    expect(answer.status).toBe(502);
    expect(await answer.json()).toMatchObject({ code: "egress_blocked", detail: "the token endpoint answered 400" });
    expect(sent.some(({ url }) => url.endsWith("/refunds"))).toBe(false);
  });
});

describe("after a call", () => {
  it.each([
    ["bearer", { kind: "bearer", secret: "key" }],
    ["header", { kind: "header", name: "X-Api-Key", secret: "key" }],
    ["basic", { kind: "basic", username_secret: "user", secret: "key" }],
    ["hmac", { kind: "hmac", secret: "key", header: "X-Sig", algorithm: "sha256", signed: ["body"] }],
    ["oauth2", TOKENS],
  ])("no credential of kind %s is in answer, log, call or record, whatever the tool echoes", async (_, auth) => {
    const logged: string[] = [];
    for (const level of ["log", "warn", "error", "info", "debug"] as const)
      vi.spyOn(console, level).mockImplementation((...words) => void logged.push(words.map(String).join(" ")));
    const sentToQueue: string[] = [];
    const send = bindings.TRACES.send.bind(bindings.TRACES);
    vi.spyOn(bindings.TRACES, "send").mockImplementation((body, options) => {
      sentToQueue.push(JSON.stringify(body));
      return send(body, options);
    });
    // Visible ASCII only: a header cannot carry anything else.
    const secret = "s3cret-of-the-tool/+&=%";
    const tenant = await tenantWith(auth);
    await asRoot(tenant.id, "/v1/secrets/key", "PUT", { value: secret });
    upstream(async (outgoing) => {
      if (outgoing.url.endsWith("/token")) return Response.json({ access_token: "access-token-echoed" });
      const headers = [...outgoing.headers].map(([name, value]) => `${name}: ${value}`);
      return Response.json({ headers, secret, encoded: encodeURIComponent(secret), user: "user-name-of-the-tool" });
    });
    const answer = await call(tenant);
    const text = await answer.text();
    expect(answer.status).toBe(200);
    const { tool_call_id: id = "" } = JSON.parse(text) as { tool_call_id?: string };
    const read = await (await request(`/v1/tool-calls/${id}`, tenant.agent)).text();
    const trace = answer.headers.get("interlock-trace-id") ?? "";
    const record = await vi.waitFor(
      async () => {
        const found = await request(`/v1/traces/${trace}`, tenant.auditor);
        expect(found.status).toBe(200);
        return found.text();
      },
      { timeout: 15_000, interval: 100 },
    );
    const hidden = [secret, encodeURIComponent(secret), btoa(secret).replace(/=+$/, ""), "access-token-echoed"];
    const users = auth.kind === "basic" ? ["user-name-of-the-tool", btoa(`user-name-of-the-tool:${secret}`)] : [];
    for (const where of [text, read, record, ...logged, ...sentToQueue])
      for (const word of [...hidden, ...users]) expect(where).not.toContain(word);
    expect(record).toContain("[scrubbed:credential]");
  });
});
