// Runs on a cron: looks once at every closed week of every tenant, and tells whoever the config names of each thing that drifted.
import type { DriftFinding } from "../core/drift/compare.ts";
import { lastClosedWeek, type Week } from "../core/drift/week.ts";
import { sha256Hex } from "../core/json/digest.ts";
import type { Act } from "../core/trace/act.ts";
import type { Ports, Recorder } from "../gateway/ports.ts";
import { readDrift } from "../gateway/read-drift.ts";
import { recordAct } from "../gateway/record-act.ts";

/** Records of a week's last calls have arrived this long after its end. */
const SETTLED_MS = 3_600_000;
/** Nobody is told any more of a week that ended this long ago. */
const TOLD_WITHIN_MS = 3 * 86_400_000;
const DAY_MS = 86_400_000;
/** Messages in one run; what is left is told in the next. */
const MESSAGES_AT_ONCE = 20;

/**
 * Looks after every tenant; one that cannot be looked after is reported and does not stop the others. A week is compared
 * once: its findings are kept with the note that it was. Each is told once it was delivered, under an id that stays the
 * same, so that a receiver that keeps to Standard Webhooks drops a repeat; and recorded under one name.
 */
export async function watchDrift(ports: Ports, recorder: Recorder): Promise<void> {
  const now = ports.system.now();
  const week = lastClosedWeek(now - SETTLED_MS);
  for (const tenant of await ports.tenants.ids()) {
    try {
      await compare(ports, { tenant, week, now }, recorder);
      await tell(ports, { tenant, week, now });
    } catch (error) {
      const reason = error instanceof Error ? error.name : "unknown";
      console.error(JSON.stringify({ event: "drift_watch_failed", tenant, reason }));
    }
  }
}

interface Watch {
  readonly tenant: string;
  readonly week: Week;
  readonly now: number;
}

async function compare(ports: Ports, { tenant, week, now }: Watch, recorder: Recorder): Promise<void> {
  if (await ports.driftWatch.isWatched(tenant, week.firstDay)) return;
  const { compared } = await readDrift(ports, tenant, week);
  const findings = compared.filter(({ drifted }) => drifted);
  // Recorded first: a run that ends here compares again, and the same names count once.
  for (const finding of findings) record(ports, recorder, { tenant, finding, at: (week.firstDay + 7) * DAY_MS });
  await ports.driftWatch.keep(tenant, week.firstDay, { findings, at: now });
}

interface Recorded {
  readonly tenant: string;
  readonly finding: DriftFinding;
  readonly at: number;
}

function record(ports: Ports, recorder: Recorder, { tenant, finding, at }: Recorded): void {
  const name = sha256Hex(`drift\n${tenant}\n${finding.id}`);
  const act: Act = {
    tenant,
    kind: "alert",
    traceHex: name.slice(0, 32),
    session: null,
    actor: null,
    subject: finding.subject,
    status: "drifted",
    by: "gateway",
    reason: sentenceOf(finding),
    attributes: { "interlock.drift.id": finding.id, "interlock.drift.finding": JSON.stringify(finding) },
  };
  recordAct(ports, recorder, act, { spanId: name.slice(32, 48), now: at });
}

async function tell(ports: Ports, { tenant, week, now }: Watch): Promise<void> {
  if (now > (week.firstDay + 7) * DAY_MS + TOLD_WITHIN_MS) return;
  const config = await ports.configs.active(tenant);
  const alerts = config?.published.document.trace.alerts;
  if (config === undefined || alerts === undefined) return;
  const waiting = await ports.driftWatch.undelivered(tenant, week.firstDay);
  for (const finding of waiting.slice(0, MESSAGES_AT_ONCE)) {
    const isDelivered = await ports.webhooks.deliver({
      tenant,
      url: alerts.webhook,
      secret: alerts.secret,
      id: `msg_${finding.id.slice("dr_".length)}`,
      body: {
        type: "drift.found",
        timestamp: new Date(now).toISOString(),
        data: { ...finding, says: sentenceOf(finding), report: `/v1/reports/drift?week=${finding.week}` },
      },
      allowedHosts: config.published.document.egress.allow,
    });
    // A receiver that does not answer is asked again in the next run.
    if (!isDelivered) return;
    await ports.driftWatch.delivered(tenant, { week: week.firstDay, id: finding.id, at: ports.system.now() });
  }
}

/** A finding in words. */
function sentenceOf({ release, subject, metric, against, psi, ks, rate, week }: DriftFinding): string {
  const whose = `${metric.replaceAll("_", " ")} of ${subject === "*" ? "all tools" : subject}${release === null ? "" : ` in release ${release}`}`;
  if (rate !== undefined) return `${week}: ${whose} went from ${rate.before} to ${rate.now} (against ${against})`;
  const distances = [psi === undefined ? [] : [`PSI ${psi.value}`], ks === undefined ? [] : [`KS ${ks.value}`]].flat();
  return `${week}: ${whose} moved by ${distances.join(", ")} (against ${against})`;
}
