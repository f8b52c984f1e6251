// Decides what is told of who acted: actor, key, session, end user, release and policy version, and what of it the caller only declared.
import { ATTR } from "../attributes.ts";
import type { TraceRecord } from "../record.ts";
import type { ExplainFacts, Sentence } from "./explanation.ts";
import { quoted, quotedList } from "./quoted.ts";
import { endOf, listAttr, textAttr, type Step } from "./step.ts";
import { count, iso, link, tellOf } from "./tell.ts";

type Some = readonly [TraceRecord, ...TraceRecord[]];

/** One group of sentences per actor, key, end user and release: most stories have one. */
export function tellWho(steps: readonly Step[], facts: ExplainFacts): readonly Sentence[] {
  const firsts = steps.map((step) => step.runs[0]);
  const groups = Map.groupBy(firsts, (record) => JSON.stringify(identityOf(record)));
  return [
    ...[...groups.values()].flatMap((group) => (isSome(group) ? tellIdentity(group) : [])),
    ...tellVersions(firsts, facts),
  ];
}

function identityOf(record: TraceRecord): readonly unknown[] {
  const { actor, session_id, task_id } = record.index;
  return [actor, session_id, task_id, keyOf(record), userOf(record), isVerified(record), releaseOf(record)];
}

function keyOf(record: TraceRecord): string | undefined {
  return textAttr(record, ATTR.keyId);
}

function userOf(record: TraceRecord): string | undefined {
  return textAttr(record, ATTR.endUser) ?? record.index.user ?? undefined;
}

function isVerified(record: TraceRecord): boolean {
  return textAttr(record, ATTR.endUserOrigin) === "token";
}

function releaseOf(record: TraceRecord): string | undefined {
  return textAttr(record, ATTR.release) ?? record.index.release ?? undefined;
}

function isSome(records: readonly TraceRecord[]): records is Some {
  return records.length > 0;
}

function tellIdentity(group: Some): readonly Sentence[] {
  const [first] = group;
  const { actor, session_id, task_id, started_at } = first.index;
  const key = keyOf(first);
  const user = userOf(first);
  const release = releaseOf(first);
  const until = Math.max(...group.map(endOf));
  const where = task_id === null ? "" : `, task ${quoted(task_id)}`;
  const session = link("session", `/v1/sessions/${encodeURIComponent(session_id)}`);
  const declared = [...new Set(group.flatMap((record) => listAttr(record, ATTR.callerDeclared)))];
  return [
    tellOf(
      group,
      `Actor ${quoted(actor)} made ${count(group.length, "call")} in session ${quoted(session_id)}${where}, from ${iso(started_at)} to ${iso(until)}, with ${key === undefined ? "a key whose id is not stored" : `key ${quoted(key)}`}.`,
      [session],
    ),
    tellOf(
      group,
      user === undefined
        ? "No end user was named, so on whose behalf the actor acted is not recorded."
        : isVerified(first)
          ? `It acted on behalf of end user ${quoted(user)}: a token of the tenant's issuer said so, and the gateway verified it.`
          : `It acted on behalf of end user ${quoted(user)}: the caller declared this, the gateway did not verify it.`,
    ),
    tellOf(
      group,
      release === undefined
        ? "No release was named."
        : declared.includes("release")
          ? `It ran as release ${quoted(release)}: the caller declared this, the gateway did not verify it.`
          : `It ran as release ${quoted(release)}: the gateway chose it.`,
    ),
    ...(declared.length === 0
      ? []
      : [tellOf(group, `Declared by the caller, and no more than that: ${quotedList(declared)}.`)]),
  ];
}

function tellVersions(firsts: readonly TraceRecord[], { versions }: ExplainFacts): readonly Sentence[] {
  const groups = Map.groupBy(firsts, ({ index }) => index.policy_version);
  return [...groups].flatMap(([name, group]) => {
    if (!isSome(group)) return [];
    const stored = versions.get(name);
    const decided = `Policy version ${quoted(name)} decided on ${count(group.length, "call")}`;
    if (stored === undefined) return [tellOf(group, `${decided}; the stored version is not at hand.`)];
    const published = `published at ${iso(stored.publishedAt)} by ${quoted(stored.publishedBy)}`;
    return [
      tellOf(group, `${decided}; it was ${published}.`, [
        link("config_version", `/v1/config?version=${stored.version}`),
      ]),
    ];
  });
}
