// Proves the one door to the outside: public bypass lists do not pass, redirects are checked like the first address, credentials stay at home.
import { readFileSync } from "node:fs";
import { afterEach, describe, expect, it, vi } from "vitest";
import { createEgress, whyBlocked, type EgressRequest } from "../../src/adapters/egress.ts";

interface Listed {
  readonly url: string;
  readonly class?: string;
}
const { must_block, must_allow } = JSON.parse(
  readFileSync(new URL("../corpus/ssrf.json", import.meta.url), "utf8"),
) as { readonly must_block: readonly Listed[]; readonly must_allow: readonly Listed[] };

/** An allow-list that has whatever host a URL names: only the address rules are left to refuse it. */
const allowAll = (text: string): readonly string[] =>
  URL.canParse(text) ? [new URL(text).host, new URL(text).hostname.replace(/\.$/, "")] : [];

afterEach(() => vi.restoreAllMocks());

/** The network: answers by URL, everything that is sent is kept. */
function network(answers: Readonly<Record<string, Response>> = {}): { readonly sent: Request[] } {
  const sent: Request[] = [];
  vi.spyOn(globalThis, "fetch").mockImplementation((input, init) => {
    const request = new Request(input, init);
    sent.push(request);
    return Promise.resolve(answers[request.url]?.clone() ?? new Response("ok"));
  });
  return { sent };
}

function to(status: number, location: string): Response {
  return new Response(null, { status, headers: { location } });
}

function asking(url: string, more: Partial<EgressRequest> = {}): EgressRequest {
  return {
    url,
    method: "GET",
    headers: new Headers({ authorization: "Bearer t0ken", "x-key": "k", accept: "application/json" }),
    body: null,
    allowedHosts: ["api.example.com", "files.example.com"],
    service: undefined,
    signal: AbortSignal.timeout(5_000),
    follow: true,
    ...more,
  };
}

const egress = createEgress({ allowPrivate: false, services: new Map() });

describe("the public bypass lists", () => {
  it("are all there", () => expect([must_block.length, must_allow.length]).toEqual([181, 14]));

  it("send nothing, directly or by redirect, even where the tenant listed the host", async () => {
    const { sent } = network();
    const leaked: string[] = [];
    for (const { url } of must_block) {
      const answer = await egress(asking(url, { allowedHosts: allowAll(url) }));
      if (answer.sent) leaked.push(url);
    }
    expect(leaked).toEqual([]);
    expect(sent).toEqual([]);
    for (const { url } of must_block) {
      vi.restoreAllMocks();
      const first = "https://api.example.com/x";
      const seen = network({ [first]: to(302, encodeURI(url)) });
      await egress(asking(first, { allowedHosts: ["api.example.com", ...allowAll(url)] }));
      const elsewhere = seen.sent.filter((each) => new URL(each.url).host !== "api.example.com");
      if (elsewhere.length > 0) leaked.push(url);
    }
    expect(leaked).toEqual([]);
  });

  it("let public hosts through, over https only, and only those that are listed", () => {
    const secure = must_allow.map(({ url }) => url);
    expect(secure.filter((url) => whyBlocked(url, allowAll(url), false) !== undefined)).toEqual([]);
    expect(secure.filter((url) => whyBlocked(url, ["other.example"], false) === undefined)).toEqual([]);
  });

  it("leave no way round by scheme, user, suffix or dots", () => {
    for (const url of [
      "http://api.example.com/",
      "https://u:p@api.example.com/",
      "https://api.example.com.evil.test/",
      "https://evilexample.com/",
      "https://localhost../",
      "https://127.0.0.1../",
      "https://a..example.com/",
      "https://.example.com/",
    ])
      expect(whyBlocked(url, ["api.example.com", "*.example.com"], false), url).toBeDefined();
    for (const url of ["https://localhost../", "https://169.254.169.254.nip.io/", "https://a.localtest.me/"])
      expect(whyBlocked(url, allowAll(url), false), url).toContain("private");
    expect(whyBlocked("https://eu.example.com/", ["*.example.com"], false)).toBeUndefined();
  });
});

describe("a redirect", () => {
  it("is the answer where nobody follows, and for everything but GET and HEAD", async () => {
    for (const more of [{ follow: false }, { method: "POST", body: "{}" }, { method: "DELETE" }]) {
      const { sent } = network({ "https://api.example.com/a": to(302, "/b") });
      const answer = await egress(asking("https://api.example.com/a", more));
      expect(answer.sent && answer.response.status).toBe(302);
      expect(sent.length).toBe(1);
      vi.restoreAllMocks();
    }
  });

  it("keeps the credential at its origin, and loses it for good elsewhere", async () => {
    const { sent } = network({
      "https://api.example.com/a": to(302, "/b"),
      "https://api.example.com/b": to(307, "https://files.example.com/c"),
      "https://files.example.com/c": to(301, "https://api.example.com/d"),
    });
    const answer = await egress(asking("https://api.example.com/a"));
    expect(answer.sent && (await answer.response.text())).toBe("ok");
    expect(sent.map(({ url, headers }) => [url, headers.get("authorization"), headers.get("x-key")])).toEqual([
      ["https://api.example.com/a", "Bearer t0ken", "k"],
      ["https://api.example.com/b", "Bearer t0ken", "k"],
      ["https://files.example.com/c", null, null],
      ["https://api.example.com/d", null, null],
    ]);
  });

  it.each([
    ["to an unlisted host", "https://evil.test/x", 'host "evil.test" is not in egress.allow'],
    ["to an address of metadata", "https://169.254.169.254/", "is not in egress.allow"],
    ["down to http", "http://api.example.com/b", "the target is not https"],
    ["to what is no address", "https://[", "a redirect to what is no address"],
    ["round in a circle", "https://api.example.com/a", "more than 3 redirects"],
  ])("%s is refused", async (_, location, reason) => {
    const { sent } = network({ "https://api.example.com/a": to(302, location) });
    const answer = await egress(asking("https://api.example.com/a"));
    expect(answer.sent ? "sent" : answer.reason).toContain(reason);
    expect(sent.every(({ url }) => url === "https://api.example.com/a")).toBe(true);
  });

  it("of a service stays with it at its origin, and has to be allowed elsewhere", async () => {
    const asked: string[] = [];
    const service = {
      fetch: (request: Request): Promise<Response> => {
        asked.push(new URL(request.url).pathname);
        return Promise.resolve(request.url.endsWith("/a") ? to(302, "/b") : to(302, "https://evil.test/"));
      },
    };
    const { sent } = network();
    const bound = createEgress({ allowPrivate: false, services: new Map([["CRM", service]]) });
    const answer = await bound(asking("https://service.internal/a", { service: "CRM" }));
    expect(answer.sent ? "sent" : answer.reason).toContain("evil.test");
    expect([asked, sent.length]).toEqual([["/a", "/b"], 0]);
  });
});
