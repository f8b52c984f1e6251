// Proves what a tool's arguments become: path, query, headers, body, signature; and what publishing says of a mapping that cannot work.
import { createHmac } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { checkConfig, type Surroundings } from "../../src/core/config/check.ts";
import type { Json, JsonObject } from "../../src/core/json/canonical.ts";
import { mapRequest, type RequestMapping } from "../../src/core/tools/request.ts";
import { signatureHeader, signedText } from "../../src/core/tools/signature.ts";
import { fillJson, readTemplate } from "../../src/core/tools/template.ts";

const mapping = (more: Partial<RequestMapping>): RequestMapping => ({
  kind: "http",
  method: "POST",
  url: "https://api.example.com/x",
  ...more,
});
const mapped = (more: Partial<RequestMapping>, args: JsonObject): unknown => mapRequest(mapping(more), args);

describe("a request", () => {
  it("takes what nothing names into the query or the body, as before", () => {
    const url = "https://api.example.com/c/{id}";
    expect(mapped({ method: "GET", url }, { id: "a b/c", q: "x&y", n: 3 })).toMatchObject({
      url: "https://api.example.com/c/a%20b%2Fc?q=x%26y&n=3",
      body: null,
    });
    expect(mapped({ url }, { id: "1", q: "x" })).toMatchObject({
      url: "https://api.example.com/c/1",
      body: '{"q":"x"}',
    });
  });

  it("fills query, headers and body by template, keeps types, and leaves out what is not there", () => {
    const more: Partial<RequestMapping> = {
      url: "https://api.example.com/o/{order.id}?v={order.rev}",
      query: { tag: "{tags}", q: "{text}", fixed: "yes", gone: "{nope}" },
      headers: { "X-Note": "{note}", "X-Ref": "order {order.id}", "X-Gone": "{nope}" },
      body: {
        amount: "{amount}",
        text: "for {order.id} {{now}}",
        list: ["{a}", "{nope}", 7],
        gone: "{nope}",
        all: "{order}",
      },
    };
    const args = { order: { id: "7/8", rev: 2 }, tags: ["a", "b"], text: "x y", note: "ok", amount: 12.5, a: null };
    expect(mapped(more, args)).toEqual({
      ok: true,
      url: "https://api.example.com/o/7%2F8?v=2&tag=a&tag=b&q=x+y&fixed=yes",
      headers: { "X-Note": "ok", "X-Ref": "order 7/8" },
      body: '{"amount":12.5,"text":"for 7/8 {now}","list":[null,7],"all":{"id":"7/8","rev":2}}',
      contentType: "application/json",
    });
  });

  it("can be a form, an empty body, or the path of a service", () => {
    const form = { content_type: "application/x-www-form-urlencoded" } as const;
    expect(mapped({ ...form, body: { a: "{x}", b: ["1", "{y}"] } }, { x: "1 & 2", y: true })).toMatchObject({
      body: "a=1+%26+2&b=1&b=true",
      contentType: "application/x-www-form-urlencoded",
    });
    expect(mapped(form, { x: "1" })).toMatchObject({ body: "x=1" });
    expect(mapped({ body: null }, { x: "1" })).toMatchObject({ body: null });
    expect(
      mapped({ kind: "service", url: "/r/{id}", service: "CRM" } as Partial<RequestMapping>, { id: "1" }),
    ).toMatchObject({
      url: "https://service.internal/r/1",
    });
  });

  it.each([
    [{ id: ".." }, "path"],
    [{ id: "." }, "path"],
    [{ id: "" }, "path"],
    [{ id: null }, "path"],
    [{}, "path"],
    [{ id: "1", note: "a\r\nX-Evil: 1" }, "header"],
    [{ id: "1", note: "ü" }, "header"],
    [{ id: "1", note: "x".repeat(5_000) }, "header"],
  ])("is refused for %j", (args, why) => {
    const more = { url: "https://api.example.com/c/{id}", headers: { "X-Note": "{note}" } };
    const answer = mapRequest(mapping(more), args);
    expect(answer.ok ? "" : answer.reason).toContain(why);
  });

  it("is refused when two arguments together climb", () => {
    expect(mapped({ url: "https://api.example.com/a/.{x}" }, { x: "." })).toMatchObject({ ok: false });
    expect(mapped({ url: "https://api.example.com/a/{x}{y}/b" }, { x: "..", y: "z" })).toMatchObject({ ok: false });
  });

  it("never leaves its origin and its path, whatever the arguments are", () => {
    const urls = ["https://api.example.com/a/{x}/b", "https://api.example.com/a/b{x}?q={y}"];
    fc.assert(
      fc.property(fc.constantFrom(...urls), fc.string({ unit: "binary" }), fc.string(), (url, x, y) => {
        const answer = mapRequest(mapping({ url, headers: { "X-A": "{y}" } }), { x, y });
        if (!answer.ok) return;
        const { origin, pathname } = new URL(answer.url);
        expect(origin).toBe("https://api.example.com");
        expect(pathname.split("/").length).toBe(new URL(url).pathname.split("/").length);
        expect(answer.headers["X-A"] ?? "").toMatch(/^[\x20-\x7e]*$/);
      }),
    );
  });

  it("carries any JSON through a sole placeholder unchanged", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(fillJson("{v}", { v: value as Json })).toEqual(value);
      }),
    );
  });
});

describe("a template", () => {
  it("keeps doubled braces and refuses single ones", () => {
    expect(readTemplate("a{{b}}{c.d}")).toEqual([
      { type: "text", text: "a{b}" },
      { type: "argument", path: "c.d" },
    ]);
    for (const text of ["{", "a}", "{}", "{a{b}"]) expect(readTemplate(text)).toBeUndefined();
  });
});

describe("a signature", () => {
  it("is an HMAC over the listed parts, joined by line feeds", () => {
    const terms = { signed: ["timestamp", "method", "path", "body"] as const, key_id: "k1" };
    const parts = { method: "post", url: "https://a.test/x%20y?b=1", body: '{"a":1}', timestamp: 1_700_000_000 };
    const text = signedText(terms, parts);
    expect(text).toBe('1700000000\nPOST\n/x%20y?b=1\n{"a":1}');
    const mac = createHmac("sha256", "s3cret").update(text).digest();
    expect(signatureHeader(terms, mac)).toBe(`k1:${mac.toString("hex")}`);
    expect(signedText({ signed: ["body"] }, { ...parts, body: null })).toBe("");
  });
});

const around: Surroundings = { priceBook: null, secrets: ["known"], services: ["CRM"], allowPrivateEgress: false };
const TOOL = {
  kind: "http",
  method: "POST",
  url: "https://api.example.com/x",
  effect: "write",
  input_schema: {
    type: "object",
    properties: {
      id: { type: "string" },
      note: { type: "string" },
      order: { type: "object", properties: { number: { type: "string" } }, required: ["number"] },
    },
    required: ["id", "order"],
  },
};

function checked(tool: object): { readonly mistakes: readonly string[]; readonly warnings: readonly string[] } {
  const result = checkConfig({ egress: { allow: ["api.example.com"] }, tools: { t: { ...TOOL, ...tool } } }, around);
  const lines = (list: readonly { path: string; message: string }[]): readonly string[] =>
    list.map(({ path, message }) => `${path}: ${message}`);
  return result.ok
    ? { mistakes: [], warnings: lines(result.warnings) }
    : { mistakes: lines(result.mistakes), warnings: [] };
}

describe("publishing a mapping", () => {
  it.each([
    [{ query: { q: "{ir}" } }, 'tools.t.query.q: "ir" is not an argument of the tool (did you mean "id"?)'],
    [
      { body: { a: ["{order.nummber}"] } },
      'tools.t.body.a.0: "order.nummber" is not an argument of the tool (did you mean "order.number"?)',
    ],
    [
      { headers: { "X-A": "re {note}" } },
      'tools.t.input_schema.required: expected "note": it is part of a longer text in `headers.X-A`',
    ],
    [
      { url: "https://api.example.com/{note}" },
      'tools.t.input_schema.required: expected "note": it is part of the URL',
    ],
    [{ query: { q: "a}" } }, "tools.t.query.q: a brace has no partner; write `{{` and `}}` for braces that are meant"],
    [{ headers: { Authorization: "x" } }, "tools.t.headers.Authorization: this header is the gateway's own"],
    [{ headers: { "X-Forwarded-For": "x" } }, "tools.t.headers.X-Forwarded-For: this header is the gateway's own"],
    [
      { headers: { "X-Key": "x" }, auth: { kind: "header", name: "x-key", secret: "known" } },
      "tools.t.headers.X-Key: `auth` or `idempotency` fills this header",
    ],
    [{ headers: { "X-A": "ü" } }, "tools.t.headers.X-A: expected visible ASCII characters"],
    [{ method: "GET", body: {} }, "tools.t.body: a GET request has no body"],
    [
      { body: 7, content_type: "application/x-www-form-urlencoded" },
      "tools.t.body: expected a table of fields: that is what a form is",
    ],
    [{ redirects: "follow" }, "tools.t.redirects: expected `refuse`: only reads by GET or HEAD follow redirects"],
    [{ kind: "service", url: "/x" }, "tools.t.service: expected the name of a service binding"],
    [
      { kind: "service", service: "CRM" },
      "tools.t.url: expected a path such as `/orders/{id}`: the binding is the host",
    ],
    [{ kind: "service", service: "CRMM", url: "/x" }, 'tools.t.service: no service binding "CRMM" in this deployment'],
    [
      { auth: { kind: "basic", secret: "known" } },
      "tools.t.auth.username: expected either `username` or `username_secret`",
    ],
    [
      { auth: { kind: "basic", username_secret: "knwn", secret: "known" } },
      'tools.t.auth.username_secret: no stored secret "knwn" (did you mean "known"?): store it first with `PUT /v1/secrets/knwn`',
    ],
    [
      {
        auth: { kind: "oauth2_client_credentials", token_url: "https://evil.test/t", client_id: "c", secret: "known" },
      },
      'tools.t.auth.token_url: host "evil.test" is not in egress.allow',
    ],
  ])("with %j says so", (tool, mistake) => expect(checked(tool).mistakes).toContain(mistake));

  it("refuses an argument in the host, also under a wildcard", () => {
    const document = {
      egress: { allow: ["*.example.com"] },
      tools: { t: { ...TOOL, url: "https://{id}.example.com/x" } },
    };
    const result = checkConfig(document, around);
    expect(result.ok ? "" : result.mistakes[0]?.message).toContain("not in the host");
  });

  it("warns of an argument that is sent nowhere, and only then", () => {
    expect(checked({ body: { id: "{id}" } }).warnings).toEqual([
      "tools.t.input_schema.properties.note: is sent nowhere: no template names it",
      "tools.t.input_schema.properties.order: is sent nowhere: no template names it",
    ]);
    expect(checked({ query: { a: "{note}" } }).warnings).toEqual([]);
    expect(checked({ kind: "service", service: "CRM", url: "/x/{id}" })).toEqual({ mistakes: [], warnings: [] });
  });
});
