// Consumes the queue of notices: tells each addressed approver, and the tenant's own webhook, that a call waits for people.
import type { ActiveConfig } from "../core/config/published.ts";
import { sha256Hex } from "../core/json/digest.ts";
import type { Approval } from "../core/state/approval.ts";
import { readNotice, type ApprovalNotice } from "../core/state/approval-notice.ts";
import type { ToolCallRecord } from "../core/state/tool-call-record.ts";
import type { Ports } from "../gateway/ports.ts";

/** A queue message as its consumer sees it. */
export interface NoticeMessage {
  readonly body: unknown;
  /** How often it has been delivered to a consumer, this time included. */
  readonly attempts: number;
  ack(): void;
  retry(options: { readonly delaySeconds: number }): void;
}

type NoticePorts = Pick<Ports, "system" | "toolCalls" | "configs" | "webhooks" | "links">;

const FIRST_RETRY_S = 10;
const LONGEST_RETRY_S = 3_600;
/** Deliveries that this isolate remembers. */
const MAX_REMEMBERED = 2_000;

/**
 * Tells the approvers of a batch. A message whose every recipient was reached, or whose approval no longer waits, is
 * acknowledged; one with a recipient that was not reached comes again, ever later.
 *
 * At least once: a repeat skips the recipients that this isolate remembers to have reached, and reaches the others
 * again where another isolate takes it. Each recipient's message id stays the same for the same question, so that a
 * receiver which keeps to Standard Webhooks drops the repeat.
 */
export async function notifyApprovers(
  ports: NoticePorts,
  messages: readonly NoticeMessage[],
  publicUrl: string | undefined,
): Promise<void> {
  await Promise.all(
    messages.map(async (message) => {
      const isDone = await notify(ports, message.body, publicUrl).catch(failed);
      if (isDone) message.ack();
      else message.retry({ delaySeconds: Math.min(FIRST_RETRY_S * 2 ** (message.attempts - 1), LONGEST_RETRY_S) });
    }),
  );
}

function failed(error: unknown): boolean {
  console.error(JSON.stringify({ event: "notice_failed", reason: error instanceof Error ? error.name : "unknown" }));
  return false;
}

/** Whether nothing of the message is left to do. */
async function notify(ports: NoticePorts, body: unknown, publicUrl: string | undefined): Promise<boolean> {
  const notice = readNotice(body);
  if (notice === undefined) {
    console.error(JSON.stringify({ event: "notice_dropped" }));
    return true;
  }
  const record = await ports.toolCalls.read(notice.tenant, notice.tool_call);
  const approval = record?.approval ?? null;
  if (record === undefined || approval === null || !isPending(approval, notice, ports.system.now())) return true;
  const config = await ports.configs.active(notice.tenant);
  if (config === undefined) return true;
  const told = recipientsOf(config, approval).map((recipient) =>
    tell(ports, { config, record, approval, recipient, publicUrl }),
  );
  return (await Promise.all(told)).every(Boolean);
}

function isPending(approval: Approval, { approval: id }: ApprovalNotice, now: number): boolean {
  return approval.id === id && approval.status === "pending" && now < approval.expiresAt;
}

interface Recipient {
  /** The approver's name; `null` for the tenant's own webhook. */
  readonly approver: string | null;
  readonly url: string;
  readonly secret: string;
}

/** The tenant's own webhook, and every approver who could satisfy a requirement. */
function recipientsOf(config: ActiveConfig, { requirements }: Approval): readonly Recipient[] {
  const { webhook, secret: ownSecret, approvers } = config.published.document.approvals;
  const asked = new Set(requirements.flatMap((each) => each.roles));
  const addressed = Object.entries(approvers).filter(([, { roles }]) => roles.some((role) => asked.has(role)));
  const all = [
    { approver: null, url: webhook, secret: ownSecret },
    ...addressed.map(([approver, entry]) => ({ approver, url: entry.webhook, secret: entry.secret ?? ownSecret })),
  ];
  // Publishing has made sure that a webhook has a secret.
  return all.flatMap(({ approver, url, secret }) =>
    url === undefined || secret === undefined ? [] : [{ approver, url, secret }],
  );
}

interface Telling {
  readonly config: ActiveConfig;
  readonly record: ToolCallRecord;
  readonly approval: Approval;
  readonly recipient: Recipient;
  readonly publicUrl: string | undefined;
}

async function tell(ports: NoticePorts, telling: Telling): Promise<boolean> {
  const { config, record, approval, recipient } = telling;
  const { tenant } = record.request;
  // The digest is part of it: a question that a changed policy asks anew is another message.
  const named = [tenant, approval.id, approval.digest, String(approval.requestedAt), recipient.approver ?? ""];
  const id = `msg_${sha256Hex(named.join("\n")).slice(0, 32)}`;
  if (reached.has(id)) return true;
  const isDelivered = await ports.webhooks.deliver({
    tenant,
    url: recipient.url,
    secret: recipient.secret,
    id,
    body: noticeOf(telling, await linkFor(ports, telling)),
    allowedHosts: config.published.document.egress.allow,
  });
  if (isDelivered) remember(id);
  return isDelivered;
}

const reached = new Set<string>();

function remember(id: string): void {
  const [oldest] = reached;
  if (reached.size >= MAX_REMEMBERED && oldest !== undefined) reached.delete(oldest);
  reached.add(id);
}

/** An approver gets a link of their own; whoever reads the tenant's webhook is nobody's approver, and gets none. */
async function linkFor(
  ports: NoticePorts,
  { record, approval, recipient, publicUrl }: Telling,
): Promise<string | null> {
  if (publicUrl === undefined || recipient.approver === null) return null;
  const { digest, expiresAt } = approval;
  const { tenant } = record.request;
  const token = await ports.links.sign({
    tenant,
    approval: approval.id,
    approver: recipient.approver,
    digest,
    expiresAt,
  });
  return `${rootOf(publicUrl)}/approve/${token}`;
}

function rootOf(publicUrl: string): string {
  return publicUrl.replace(/\/+$/, "");
}

/** What is told. The arguments are not: they may be personal data, and the linked page shows them to who may decide. */
function noticeOf(
  { record, approval, recipient, publicUrl }: Telling,
  link: string | null,
): Readonly<Record<string, unknown>> {
  const { request, decision } = record;
  const { ask } = request;
  const iso = (ms: number): string => new Date(ms).toISOString();
  return {
    type: "approval.requested",
    timestamp: iso(approval.requestedAt),
    data: {
      approval_id: approval.id,
      tool_call_id: request.id,
      approver: recipient.approver,
      actor: ask.actor,
      tool: ask.tool,
      intent: ask.intent,
      session_id: ask.session,
      trace_id: request.traceId,
      reasons: decision.reasons
        .filter((reason) => reason.effect === decision.effect)
        .map(({ rule_id, message }) => ({ rule_id, message })),
      requirements: approval.requirements,
      expires_at: iso(approval.expiresAt),
      digest: approval.digest,
      // For programs; a person opens the link.
      ...(publicUrl === undefined ? {} : { api_url: `${rootOf(publicUrl)}/v1/approvals/${approval.id}` }),
      ...(link === null ? {} : { link }),
    },
  };
}
