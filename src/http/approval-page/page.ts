// Renders what an approver decides on: who asks, for exactly what, why people are asked, and who has decided.
import { isJsonObject, type Json } from "../../core/json/canonical.ts";
import { valueAt } from "../../core/policy/values.ts";
import { LINK_VOTER, type Approval } from "../../core/state/approval.ts";
import type { ToolCallRecord } from "../../core/state/tool-call-record.ts";
import { html, type Fragment } from "./document.ts";

/** What a page shows. */
export interface Shown {
  readonly record: ToolCallRecord & { readonly approval: Approval };
  /** Whose link it is. */
  readonly approver: string;
  /** The tool's `amount` entry, where its config has one. */
  readonly amount: { readonly field: string; readonly currency: string } | undefined;
  /** Whether the link is enough, or an API key is asked for. */
  readonly needsKey: boolean;
  /** Whether this reader may see what is asked. */
  readonly isRevealed: boolean;
  /** What to tell first: a refusal, or that something changed. */
  readonly notice: string | undefined;
}

/** The body of the page. */
export function approvalBody(shown: Shown): Fragment {
  const { record, approver, isRevealed, notice } = shown;
  const { approval } = record;
  const hasVoted = approval.votes.some((each) => each.by === linkVoter(approver));
  const isOpen = approval.status === "pending" && !hasVoted;
  return html`<h1>${titleOf(shown)}</h1>
    ${notice === undefined ? "" : html`<p class="note" role="alert">${notice}</p>`}
    ${isOpen ? "" : state(record, hasVoted)} ${isRevealed ? details(shown) : ""} ${isOpen ? form(shown) : ""}`;
}

/** The title of the page; it names nothing that the reader may not see. */
export function titleOf({ record, isRevealed }: Pick<Shown, "record" | "isRevealed">): string {
  if (!isRevealed) return "A call waits for a decision";
  const { actor, tool } = record.request.ask;
  return record.approval.kind === "draft" ? `${actor} proposes ${tool}` : `${actor} asks to run ${tool}`;
}

/**
 * How a decision made by link names who made it. A link belongs to a person and never to a key: that the person is not
 * the one behind the requester's key is for the tenant's list of approvers to see to.
 */
export function linkVoter(approver: string): string {
  return `${LINK_VOTER}${approver}`;
}

function state({ status, approval }: Shown["record"], hasVoted: boolean): Fragment {
  if (approval.status === "pending" && hasVoted)
    return html`<p class="note">You have decided already; it waits for other people.</p>`;
  return html`<p class="note">
    Decided: <strong>${approval.status}</strong>. The call is <strong>${status.replaceAll("_", " ")}</strong>.
  </p>`;
}

function details({ record, amount }: Shown): Fragment {
  const { request, decision, approval } = record;
  const { ask } = request;
  const sum = amount === undefined ? undefined : valueAt(ask.args, amount.field);
  const facts: readonly (readonly [string, string | null])[] = [
    ["Actor", ask.actor],
    ["Key", ask.principal.key_id],
    ["On behalf of", ask.user],
    ["Intent", ask.intent],
    ["Tool", ask.tool],
    ["Amount", sum === undefined ? null : `${textOf(sum)} ${amount?.currency ?? ""}`],
    ["Session", ask.session],
    ["Trace", request.traceId],
    ["Asked at", time(approval.requestedAt)],
    ["Open until", time(approval.expiresAt)],
  ];
  return html`<dl>
      ${facts.map(([name, value]) =>
        value === null
          ? ""
          : html`<dt>${name}</dt>
              <dd>${visible(value)}</dd>`,
      )}
    </dl>
    <h2>Exact arguments</h2>
    <pre>${visible(JSON.stringify(ask.args, null, 2))}</pre>
    <h2>Why people are asked</h2>
    <ul>
      ${decision.reasons
        .filter((reason) => reason.effect === decision.effect)
        .map((reason) => html`<li>${visible(reason.message)} <code>${reason.rule_id}</code></li>`)}
    </ul>
    <h2>Who decides</h2>
    <ul>
      ${approval.requirements.map(({ roles, count }) => html`<li>${count} of ${roles.join(" or ")}</li>`)}
      ${approval.votes.map(
        (vote) =>
          html`<li>
            ${vote.by}: ${vote.verdict} at
            ${time(vote.at)}${vote.comment === null ? "" : html` (${visible(vote.comment)})`}
          </li>`,
      )}
    </ul>
    <p class="quiet">Digest <code>${approval.digest}</code></p>`;
}

function form({ record, needsKey, isRevealed }: Shown): Fragment {
  const { approval } = record;
  const key = needsKey
    ? html`<label for="key">API key with role approver or operator</label>
        <input id="key" name="key" type="password" autocomplete="off" required />`
    : "";
  if (!isRevealed)
    return html`<p>Your API key shows what is asked.</p>
      <form method="post">
        ${key}
        <div class="actions"><button class="look" name="decision" value="look">Show what is asked</button></div>
      </form>`;
  return html`<form method="post">
    <input type="hidden" name="digest" value="${approval.digest}" />
    ${key}
    <label for="comment">Comment (needed to deny)</label>
    <textarea id="comment" name="comment" maxlength="2000"></textarea>
    <div class="actions">
      <button class="approve" name="decision" value="approve">
        ${approval.kind === "draft" ? "Approve and execute" : "Approve"}
      </button>
      <button class="deny" name="decision" value="deny">Deny</button>
    </div>
  </form>`;
}

function textOf(value: Json): string {
  return typeof value === "string" ? value : isJsonObject(value) ? "" : JSON.stringify(value);
}

function time(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19).replace("T", " ")} UTC`;
}

/** A text whose every character is seen: an approver must not be shown another text than the one that is sent. */
function visible(text: string): string {
  return text.replaceAll(UNSEEN, (character) =>
    character === "\n" ? character : `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`,
  );
}

/** Controls, and the marks that hide or reorder what is read (Unicode UAX #9, zero widths, tags). */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;
