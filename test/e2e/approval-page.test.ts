// Follows an approval through a person's eyes: a signed notice arrives, its link is opened in a browser, and one click executes the call.
import { randomBytes } from "node:crypto";
import type { BrowserContext, Page } from "playwright-core";
import { Webhook } from "standardwebhooks";
import { afterAll, beforeAll, expect, test } from "vitest";
import { hasBrowser, openBrowser } from "./chromium.ts";
import { refundTool } from "./document.ts";
import { openStage, until, type Stage, type Tenant } from "./harness.ts";
import { startRecordingUpstream, type RecordingUpstream } from "./recording-upstream.ts";

const PUBLIC_URL = "https://gateway.test";
const SECRET = `whsec_${randomBytes(24).toString("base64")}`;

interface Notice {
  readonly type: string;
  readonly data: { readonly tool_call_id: string; readonly link: string };
}

let stage: Stage;
let hooks: RecordingUpstream;
let browser: BrowserContext | undefined;

beforeAll(async () => {
  stage = await openStage({ PUBLIC_URL });
  hooks = await startRecordingUpstream();
  hooks.answer = { status: 204, headers: {}, body: new Uint8Array() };
  if (hasBrowser()) browser = await openBrowser();
});
afterAll(async () => {
  await browser?.close();
  await stage.close();
  await hooks.stop();
});

async function tenantWithApprovers(links_without_account: boolean): Promise<Tenant> {
  const rule = { id: "refund.large", tools: ["billing.refund"], when: "call.amount_minor > 2000" };
  const options = {
    tools: { "billing.refund": refundTool("", { idempotency: { header: "Idempotency-Key" } }) },
    hosts: [new URL(hooks.origin).host],
    sections: {
      policy: { rules: [{ ...rule, effect: "require_approval", message: "refunds over $20.00 need a person" }] },
      approvals: {
        links_without_account,
        secret: "hook_secret",
        approvers: { carol: { roles: ["approver"], webhook: `${hooks.origin}/carol` } },
      },
    },
  };
  return stage.tenant(options, { hook_secret: SECRET });
}

/** Asks for a refund and answers the link that its approver gets. */
async function askAndBeTold(tenant: Tenant, amount: number): Promise<{ id: string; link: string }> {
  const before = hooks.requests.length;
  const asked = await tenant.tool(
    "billing.refund",
    { customer_id: "cus_123", amount_usd: amount },
    { intent: "issue_refund" },
    { headers: { "idempotency-key": `k${amount}`, "interlock-user": "user-17" } },
  );
  expect(asked.status, asked.text).toBe(202);
  const hook = await until("the notice", async () => hooks.requests[before], 20_000);
  // The standard's own library is the judge of the signature.
  const notice = new Webhook(SECRET).verify(hook.body, hook.headers as Record<string, string>) as Notice;
  expect(hook.body).not.toContain("cus_123");
  expect(notice.data.link.startsWith(`${PUBLIC_URL}/approve/`)).toBe(true);
  return { id: String(asked.json["id"]), link: notice.data.link.replace(PUBLIC_URL, stage.gateway.url) };
}

async function opened(link: string): Promise<Page> {
  if (browser === undefined) throw new Error("there is no browser");
  const page = await browser.newPage();
  await page.goto(link);
  return page;
}

test("a notice is signed, names no argument, and is sent again until it is taken", async () => {
  const tenant = await tenantWithApprovers(true);
  hooks.answer = { ...hooks.answer, status: 503 };
  const before = hooks.requests.length;
  await tenant.tool("billing.refund", { customer_id: "cus_123", amount_usd: 33 });
  await until("a first attempt", async () => hooks.requests[before], 20_000);
  hooks.answer = { ...hooks.answer, status: 204 };
  const again = await until("a second attempt", async () => hooks.requests[before + 1], 50_000);
  expect(again.headers["webhook-id"]).toBe(hooks.requests[before]?.headers["webhook-id"]);
});

test.runIf(hasBrowser())("a person approves on the page, without an account where the tenant allows it", async () => {
  const tenant = await tenantWithApprovers(true);
  const { id, link } = await askAndBeTold(tenant, 42.5);
  const page = await opened(link);
  const text = await page.textContent("body");
  for (const part of ["support_agent_v4", "billing.refund", "42.5", "cus_123", "issue_refund", "refund.large"])
    expect(text).toContain(part);
  if (process.env["SCREENSHOTS"] !== undefined)
    await page.screenshot({ path: `${process.env["SCREENSHOTS"]}/approval.png`, fullPage: true });
  const errors: string[] = [];
  page.on("console", (message) => void errors.push(message.text()));
  // By keyboard alone: the comment, then the first button.
  await page.focus("#comment");
  await page.keyboard.type("the photo shows it");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await page.waitForSelector("text=Decided:");
  expect(await page.textContent("body")).toContain("succeeded");
  if (process.env["SCREENSHOTS"] !== undefined)
    await page.screenshot({ path: `${process.env["SCREENSHOTS"]}/approved.png`, fullPage: true });
  expect(errors).toEqual([]);
  expect((await tenant.get(`/v1/tool-calls/${id}`)).json["status"]).toBe("succeeded");
  await page.goto(link);
  expect(await page.locator("form").count()).toBe(0);
});

test.runIf(hasBrowser())(
  "without that permission the page shows nothing before a key, and denies with a comment",
  async () => {
    const tenant = await tenantWithApprovers(false);
    const { key } = await stage.key(tenant.id, ["approver"]);
    const { id, link } = await askAndBeTold(tenant, 43.5);
    const page = await opened(link);
    expect(await page.textContent("body")).not.toContain("cus_123");
    await page.fill("#key", key);
    await page.click("button.look");
    await page.waitForSelector("pre");
    expect(await page.textContent("body")).toContain("cus_123");
    await page.fill("#key", key);
    await page.click("button.deny");
    expect(await (await page.waitForSelector("[role=alert]")).textContent()).toContain("comment");
    await page.fill("#key", key);
    await page.fill("#comment", "no such order");
    await page.click("button.deny");
    await page.waitForSelector("text=Decided:");
    expect(await page.textContent("body")).toContain("denied");
    const call = await tenant.get(`/v1/tool-calls/${id}`);
    expect(call.json["status"]).toBe("approval_denied");
  },
);
