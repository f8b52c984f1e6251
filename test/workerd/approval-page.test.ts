// Proves the page behind a signed link: it shows what is bound, takes one decision, and opens nothing to anyone else.
import { exports } from "cloudflare:workers";
import { afterEach, describe, expect, it, vi } from "vitest";
import { compose } from "../../src/compose.ts";
import type { Env } from "../../src/env.ts";
import {
  approvalRule,
  asked,
  done,
  inspect,
  publish,
  refunds,
  withApprovals,
  type Call,
  type People,
} from "./people.ts";
import { bindings, request, upstream } from "./tenant.ts";

afterEach(() => vi.restoreAllMocks());

const worker = (exports as unknown as { default: { fetch(request: Request): Promise<Response> } }).default;

describe("the linked page", () => {
  const URL_OF = "https://gateway.test";
  const links = compose(bindings as unknown as Env).ports.links;
  const page = (token: string, form?: Readonly<Record<string, string>>): Promise<Response> =>
    worker.fetch(
      new Request(
        `${URL_OF}/approve/${token}`,
        form === undefined ? {} : { method: "POST", body: new URLSearchParams(form) },
      ),
    );
  const section = (
    links_without_account: boolean,
    approvers: Readonly<Record<string, unknown>> = { carol: { roles: ["approver"] } },
  ): Readonly<Record<string, unknown>> => ({ ...approvalRule(), approvals: { links_without_account, approvers } });
  async function linked(
    people: People,
    key = "k1",
    approver = "carol",
  ): Promise<{ token: string; approval: string; digest: string; call: string }> {
    const { approval, call } = await asked(people.agent, key);
    const digest = String((await inspect(people.ann, approval))["digest"]);
    const link = { tenant: people.id, approval, approver, digest, expiresAt: Date.now() + 60_000 };
    return { token: await links.sign(link), approval, digest, call };
  }

  it("shows exactly what is asked and takes one decision, without an account where the tenant allows it", async () => {
    const people = await withApprovals(section(true));
    const { sent } = upstream(done);
    const { token, approval, digest } = await linked(people);
    const shown = await page(token);
    expect(shown.status).toBe(200);
    expect(shown.headers.get("content-security-policy")).toMatch(/^default-src 'none'; style-src 'sha256-[\w+/=]+'; /);
    expect(shown.headers.get("cache-control")).toBe("no-store");
    expect(shown.headers.get("referrer-policy")).toBe("no-referrer");
    const text = await shown.text();
    const style = /<style>([\s\S]*?)<\/style>/.exec(text)?.[1] ?? "";
    const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(style));
    expect(shown.headers.get("content-security-policy")).toContain(btoa(String.fromCharCode(...new Uint8Array(hash))));
    for (const part of ["&quot;amount_usd&quot;: 60", "60 USD", "refunds over 50 need a person", digest, "over-50"])
      expect(text).toContain(part);
    expect(text).not.toContain('type="password"');
    const bare = await page(token, { decision: "deny", digest, comment: " " });
    expect(bare.status).toBe(400);
    const blind = await page(token, { decision: "approve" });
    expect(blind.status).toBe(400);
    expect(refunds(sent)).toHaveLength(0);
    const decided = await page(token, { decision: "approve", digest, comment: "fine" });
    expect(decided.status).toBe(200);
    const after = await decided.text();
    expect(after).toContain("succeeded");
    expect(after).not.toContain("<form");
    expect(await inspect(people.ann, approval)).toMatchObject({ votes: [{ by: "link:carol", via: "link" }] });
    const again = await page(token, { decision: "approve", digest });
    expect(again.status).toBe(409);
    expect(await again.text()).not.toContain("<form");
    expect(refunds(sent)).toHaveLength(1);
  });

  it("counts one link once where two people are asked for", async () => {
    const people = await withApprovals({
      ...approvalRule({ count: 2 }),
      approvals: { links_without_account: true, approvers: { carol: { roles: ["approver"] } } },
    });
    upstream(done);
    const { token, digest } = await linked(people);
    expect(await (await page(token, { decision: "approve", digest })).text()).not.toContain("<form");
    expect((await page(token, { decision: "approve", digest })).status).toBe(409);
    expect(await (await page(token)).text()).toContain("You have decided already");
  });

  it("shows nothing without an API key where the tenant does not allow it, and votes as that key", async () => {
    const people = await withApprovals(section(false));
    const { sent } = upstream(done);
    const { token, approval, digest } = await linked(people);
    const hidden = await (await page(token)).text();
    expect(hidden).toContain('type="password"');
    expect(hidden).not.toContain("amount_usd");
    const stranger = await withApprovals();
    for (const key of ["", "wrong", stranger.ann, people.agent, "root-key-of-the-tests"]) {
      const refused = await page(token, { decision: "approve", digest, key });
      expect([401, 403]).toContain(refused.status);
      expect(await refused.text()).not.toContain("amount_usd");
    }
    expect(await (await page(token, { decision: "look", key: people.ann })).text()).toContain("amount_usd");
    expect(refunds(sent)).toHaveLength(0);
    const decided = await page(token, { decision: "approve", digest, key: people.ann });
    expect(decided.status).toBe(200);
    expect(refunds(sent)).toHaveLength(1);
    const votes = (await inspect(people.ann, approval))["votes"] as { by: string; via: string }[];
    expect(votes).toHaveLength(1);
    expect(votes[0]?.by).not.toContain("link:");
  });

  it("asks for a key of an approver who is no longer in the config", async () => {
    const people = await withApprovals(section(true));
    const { sent } = upstream(done);
    const { token, digest } = await linked(people, "k1", "constructor");
    expect(await (await page(token)).text()).toContain('type="password"');
    expect((await page(token, { decision: "approve", digest })).status).toBe(401);
    expect(refunds(sent)).toHaveLength(0);
  });

  it("opens nothing with a token that is forged, over, or names what is not there", async () => {
    const people = await withApprovals(section(true));
    upstream(done);
    const { token, approval, digest } = await linked(people);
    const over = await links.sign({
      tenant: people.id,
      approval,
      approver: "carol",
      digest,
      expiresAt: Date.now() - 1,
    });
    const elsewhere = await withApprovals(section(true));
    const other = await links.sign({
      tenant: elsewhere.id,
      approval,
      approver: "carol",
      digest,
      expiresAt: Date.now() + 60_000,
    });
    const bodies = new Set<string>();
    for (const each of [`${token.slice(0, -1)}${token.endsWith("A") ? "B" : "A"}`, over, other, "x", "a.b", "%F0"]) {
      const answer = await page(each);
      expect(answer.status).toBe(403);
      const text = await answer.text();
      expect(text).toContain("approval_link_invalid");
      bodies.add(text);
      expect((await page(each, { decision: "approve", digest })).status).toBe(403);
    }
    expect(bodies.size).toBe(1);
  });

  it("shows what changed and asks to look again", async () => {
    const people = await withApprovals(section(true));
    const { sent } = upstream(done);
    const { token, digest } = await linked(people);
    await publish(people.id, { ...section(true), ...approvalRule({ roles: ["approver", "operator"] }) });
    await vi.waitFor(async () => {
      const stale = await page(token, { decision: "approve", digest });
      expect(stale.status).toBe(409);
      expect(await stale.text()).toContain("approval_stale");
    });
    const text = await (await page(token)).text();
    expect(text).toContain("has changed since you were told");
    const current = /name="digest" value="([0-9a-f]{64})"/.exec(text)?.[1] ?? "";
    expect(current).not.toBe(digest);
    expect(refunds(sent)).toHaveLength(0);
    expect((await page(token, { decision: "approve", digest: current })).status).toBe(200);
    expect(refunds(sent)).toHaveLength(1);
  });

  it("escapes what agents write, and makes visible what hides or reorders text", async () => {
    const people = await withApprovals(section(true));
    upstream(done);
    const args = { amount_usd: 60, note: "<script>alert(1)</script>\u202E0001" };
    const answer = await request("/v1/tool-calls", people.agent, {
      method: "POST",
      body: JSON.stringify({ tool_call: { name: "refund", args } }),
    });
    const call = await answer.json<Call>();
    const approval = call.approval?.id ?? "";
    const token = await links.sign({
      tenant: people.id,
      approval,
      approver: "carol",
      digest: "",
      expiresAt: Date.now() + 60_000,
    });
    const text = await (await page(token)).text();
    expect(text).toContain("&lt;script&gt;");
    expect(text).not.toContain("<script");
    expect(text).not.toContain("\u202E");
    expect(text).toContain(String.raw`\u{202e}0001`);
  });
});
