// Routes of the approval page: a signed link opens one approval, shows what it binds, and takes one decision.
import { refuse, ERRORS, type Outcome } from "../../core/errors.ts";
import type { ActiveConfig } from "../../core/config/published.ts";
import { approverRoles, type Vote } from "../../core/state/approval.ts";
import type { ToolCallRecord } from "../../core/state/tool-call-record.ts";
import { decideApproval, readApproval } from "../../gateway/decide-approval.ts";
import type { ApprovalLink } from "../../gateway/ports/approvals.ts";
import { deferOf, type HttpContext } from "../context.ts";
import { authorize } from "../middleware/authenticate.ts";
import { readBodyText } from "../middleware/body.ts";
import { pageResponse } from "./document.ts";
import { errorPage, invalidLink } from "./errors.ts";
import { approvalBody, linkVoter, titleOf, type Shown } from "./page.ts";

/** One route of the page. It takes no key in a header: the link is what opens it. */
export interface PageRoute {
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly answer: (c: HttpContext) => Promise<Response>;
}

/** The routes. */
export const approvalPageRoutes: readonly PageRoute[] = [
  { method: "GET", path: "/approve/:token", answer: (c) => show(c) },
  { method: "POST", path: "/approve/:token", answer: (c) => decide(c) },
];

const MAX_FORM = 16 * 1024;
const MAX_COMMENT = 2_000;

/**
 * What a link opens. The link alone is enough only while the tenant's config says so and names the approver; else an
 * API key has to come with it, and nothing of the call is shown before.
 */
interface Opened {
  readonly link: ApprovalLink;
  readonly record: Shown["record"];
  readonly config: ActiveConfig;
  /** What the approver stands for; `undefined` where the link is not enough. */
  readonly roles: readonly string[] | undefined;
}

async function open(c: HttpContext): Promise<Opened | undefined> {
  const { links, configs } = c.var.runtime.ports;
  const link = await links.read(c.req.param("token") ?? "");
  if (link === undefined) return undefined;
  const record = await current(c, link);
  const config = await configs.active(link.tenant);
  if (record === undefined || config === undefined) return undefined;
  const { approvers, links_without_account } = config.published.document.approvals;
  const approver = Object.hasOwn(approvers, link.approver) ? approvers[link.approver] : undefined;
  return { link, record, config, roles: links_without_account ? approver?.roles : undefined };
}

async function current(c: HttpContext, link: ApprovalLink): Promise<Shown["record"] | undefined> {
  const found = await readApproval(c.var.runtime.ports, link.tenant, link.approval);
  return found.ok ? withApproval(found.value) : undefined;
}

function withApproval(record: ToolCallRecord): Shown["record"] | undefined {
  const { approval } = record;
  return approval === null ? undefined : { ...record, approval };
}

async function show(c: HttpContext): Promise<Response> {
  const opened = await open(c);
  if (opened === undefined) return invalidLink();
  const { link, record, roles } = opened;
  const isChanged = record.approval.status === "pending" && record.approval.digest !== link.digest;
  return page(c, opened, {
    isRevealed: roles !== undefined,
    notice: isChanged ? "What is asked has changed since you were told: look at it as it is now." : undefined,
    status: 200,
  });
}

async function decide(c: HttpContext): Promise<Response> {
  const opened = await open(c);
  if (opened === undefined) return invalidLink();
  const form = await readForm(c);
  if (!form.ok) return errorPage(form);
  const voter = await voterOf(c, opened, form.value.key);
  if (!voter.ok) return page(c, opened, { isRevealed: false, notice: voter.detail, status: ERRORS[voter.code].status });
  const { decision, comment, digest } = form.value;
  if (decision === "look") return page(c, opened, { isRevealed: true, notice: undefined, status: 200 });
  const vote = { ...voter.value, verdict: decision, comment: comment === "" ? null : comment };
  const { tenant, approval } = opened.link;
  const defer = deferOf(c);
  const { runtime } = c.var;
  const deciding = decideApproval(runtime.ports, { tenant, approval, vote, digest }, runtime.recorder(defer));
  // Who leaves does not cancel an effect that has begun.
  defer(deciding.catch(() => undefined));
  const outcome = await deciding;
  const record = outcome.ok ? withApproval(outcome.value) : await current(c, opened.link);
  return page(
    c,
    { ...opened, record: record ?? opened.record },
    {
      isRevealed: true,
      notice: outcome.ok ? undefined : `${ERRORS[outcome.code].title}: ${outcome.detail} (${outcome.code})`,
      status: outcome.ok ? 200 : ERRORS[outcome.code].status,
    },
  );
}

/** Who votes: the addressed approver where the link is enough, else the key in the form. */
async function voterOf(
  c: HttpContext,
  { link, roles }: Opened,
  key: string,
): Promise<Outcome<Pick<Vote, "by" | "via" | "roles">>> {
  if (roles !== undefined) return { ok: true, value: { by: linkVoter(link.approver), via: "link", roles } };
  const principal = key === "" ? undefined : await c.var.runtime.ports.keys.find(key);
  if (principal === undefined || principal.isRoot || principal.tenant !== link.tenant)
    return refuse("unauthenticated", "This API key is not known here, or was revoked.");
  const authorized = authorize(principal, "approvals.decide");
  if (!authorized.ok) return authorized;
  const { keyId, scopes } = principal;
  return { ok: true, value: { by: keyId, via: "link", roles: approverRoles(principal.roles, scopes) } };
}

interface Form {
  readonly decision: "approve" | "deny" | "look";
  readonly comment: string;
  /** The digest of what was shown when the form was made. */
  readonly digest: string;
  readonly key: string;
}

async function readForm(c: HttpContext): Promise<Outcome<Form>> {
  const body = await readBodyText(c, MAX_FORM);
  if (!body.ok) return body;
  const fields = new URLSearchParams(body.value.text);
  const decision = (["approve", "deny", "look"] as const).find((each) => each === fields.get("decision"));
  if (decision === undefined) return refuse("invalid_request", "decision: expected approve or deny");
  if (decision !== "look" && (fields.get("digest") ?? "") === "")
    return refuse("invalid_request", "digest: expected what the page showed");
  const comment = (fields.get("comment") ?? "").trim();
  if (comment.length > MAX_COMMENT) return refuse("invalid_request", "comment: expected at most 2000 characters");
  return { ok: true, value: { decision, comment, digest: fields.get("digest") ?? "", key: fields.get("key") ?? "" } };
}

function page(
  c: HttpContext,
  { link, record, config, roles }: Opened,
  { status, ...told }: Pick<Shown, "isRevealed" | "notice"> & { readonly status: number },
): Promise<Response> {
  const amount = config.tool(record.request.ask.tool)?.entry.amount;
  const shown: Shown = { record, approver: link.approver, amount, needsKey: roles === undefined, ...told };
  return pageResponse({ title: titleOf(shown), body: approvalBody(shown), status });
}
