// Builds the ports from the bindings, once per isolate: the only place that knows which adapter stands behind which port.
import { createApprovalLinks } from "./adapters/approval-links.ts";
import { d1Admissions } from "./adapters/d1/admissions.ts";
import { ed25519Signer } from "./adapters/audit/signer.ts";
import { appendStatement, auditKeyBook, auditStore } from "./adapters/audit/store.ts";
import { d1ApprovalInbox } from "./adapters/d1/approval-inbox.ts";
import { d1Canaries } from "./adapters/d1/canaries.ts";
import { d1CallList } from "./adapters/d1/call-list.ts";
import { d1EvalEvidence } from "./adapters/d1/eval-evidence.ts";
import { d1ExportLedger } from "./adapters/d1/export-ledger.ts";
import { d1DriftWatch } from "./adapters/d1/drift-findings.ts";
import { d1EvalDatasets } from "./adapters/d1/eval-datasets.ts";
import { d1EvalPeople } from "./adapters/d1/eval-people.ts";
import { d1EvalRuns } from "./adapters/d1/eval-runs.ts";
import { d1Outcomes } from "./adapters/d1/outcomes.ts";
import { d1Reports } from "./adapters/d1/reports.ts";
import { d1Rollups, rollupCompanion } from "./adapters/d1/rollups.ts";
import { d1TraceIndex } from "./adapters/d1/trace-index.ts";
import { d1Erasures } from "./adapters/d1/erasures.ts";
import { d1TraceKeeping } from "./adapters/d1/trace-keeping.ts";
import { oneShard } from "./adapters/d1/trace-shards.ts";
import { DurableBreakers } from "./adapters/durable/breakers.ts";
import { DurableControls } from "./adapters/durable/controls.ts";
import { DurableSessionLedgers } from "./adapters/durable/session-ledgers.ts";
import { durableReleases } from "./adapters/durable/releases.ts";
import { durableSwitches } from "./adapters/durable/switches.ts";
import { durableConfigs, durableTenants } from "./adapters/durable/tenants.ts";
import { durableToolCalls } from "./adapters/durable/tool-calls.ts";
import { createEgress, type Service } from "./adapters/egress.ts";
import { kvKeys } from "./adapters/kv/keys.ts";
import type { RootKeys } from "./adapters/kv/wrapped-keys.ts";
import { kvAnswerCache } from "./adapters/kv/answer-cache.ts";
import { MaskingKeyStore } from "./adapters/kv/masking-keys.ts";
import { kvSecrets } from "./adapters/kv/secrets.ts";
import { mcpServers } from "./adapters/mcp/servers.ts";
import { openAiChat } from "./adapters/models/openai-chat.ts";
import { providerModels } from "./adapters/models/provider-models.ts";
import { workersAiOf } from "./adapters/models/workers-ai.ts";
import { otlpExporter } from "./adapters/otlp-exporter.ts";
import { listPrices } from "./adapters/prices.ts";
import { queuedEvals } from "./adapters/queue/evals.ts";
import { queuedExports } from "./adapters/queue/exports.ts";
import { QueueRecorder } from "./adapters/queue/recorder.ts";
import { r2DeadLetters } from "./adapters/r2/dead-letters.ts";
import { EvalBodies } from "./adapters/r2/eval-bodies.ts";
import { offloadPayloads } from "./adapters/r2/payloads.ts";
import { r2RawStore } from "./adapters/r2/raw-records.ts";
import { r2ResponseStates } from "./adapters/r2/response-states.ts";
import { r2Segments } from "./adapters/r2/segments.ts";
import { runtimeSystem } from "./adapters/system.ts";
import { httpTools } from "./adapters/tools/http-tools.ts";
import { createWebhooks } from "./adapters/webhooks.ts";
import { readSettings, type Env, type Settings } from "./env.ts";
import { auditSegment } from "./gateway/append-audit.ts";
import type { Ports } from "./gateway/ports.ts";
import type { TracePlane } from "./gateway/ports/trace-plane.ts";
import type { Runtime } from "./http/context.ts";

/** A runtime over these bindings. Throws when the deployment is incomplete. */
export function compose(env: Env): Runtime {
  const settings = readSettings(env);
  const allowPrivate = settings.ALLOW_PRIVATE_EGRESS === "true";
  const services = servicesOf(env);
  const egress = createEgress({ allowPrivate, services });
  const secrets = kvSecrets(env.CONFIG, rootKeysOf(settings), runtimeSystem);
  const sessions = new DurableSessionLedgers(env.SESSION_LEDGER, runtimeSystem);
  const controls = new DurableControls(env.TENANT_LEDGER, runtimeSystem);
  const plane = tracePlane(env, settings, otlpExporter(egress, secrets, runtimeSystem));
  const ports: Ports = {
    system: runtimeSystem,
    keys: kvKeys(env.CONFIG, runtimeSystem, { text: settings.ROOT_KEY, tenant: settings.ROOT_TENANT }),
    secrets,
    controls,
    configs: durableConfigs(env.TENANT_LEDGER, env.CONFIG, controls, runtimeSystem),
    switches: durableSwitches(env.TENANT_LEDGER, controls),
    releases: durableReleases(env.TENANT_LEDGER, controls),
    evidence: d1EvalEvidence(env.DB),
    breakers: new DurableBreakers(env.TENANT_LEDGER, controls, runtimeSystem),
    inbox: d1ApprovalInbox(env.DB),
    webhooks: createWebhooks(egress, secrets),
    links: createApprovalLinks(settings.SECRETS_KEY, runtimeSystem),
    tenants: durableTenants(env.TENANT_LEDGER, env.CONFIG),
    sessions,
    toolCalls: durableToolCalls(env.TOOL_CALL),
    callList: d1CallList(env.DB),
    models: providerModels({ egress, secrets, system: runtimeSystem, workersAi: workersAiOf(env) }),
    tools: httpTools(egress, secrets, runtimeSystem),
    mcpServers: mcpServers(),
    ...plane,
    ...evals(env),
    answerCache: kvAnswerCache(env.CONFIG, plane.masking),
    responseStates: r2ResponseStates(env.BLOBS, plane.masking),
  };
  const recorder = new QueueRecorder({
    queue: env.TRACES,
    sessions,
    offload: (record) => offloadPayloads(env.BLOBS, record),
    configs: ports.configs,
    masking: ports.masking,
    raw: ports.raw,
    system: runtimeSystem,
  });
  return {
    ports,
    deployment: {
      priceBook: listPrices,
      services: [...services.keys()],
      hasWorkersAi: workersAiOf(env) !== undefined,
      allowPrivateEgress: allowPrivate,
    },
    rootTenant: settings.ROOT_TENANT,
    publicUrl: settings.PUBLIC_URL,
    recorder: (defer) => recorder.for(defer),
  };
}

/** What evals are kept in and carried on by. */
function evals(env: Env): Pick<Ports, "evalDatasets" | "evalRuns" | "evalQueue" | "chat" | "evalPeople" | "canaries"> {
  const bodies = new EvalBodies(env.BLOBS);
  return {
    evalDatasets: d1EvalDatasets(env.DB, bodies),
    evalRuns: d1EvalRuns(env.DB, bodies),
    evalQueue: queuedEvals(env.EVALS),
    chat: openAiChat,
    evalPeople: d1EvalPeople(env.DB),
    canaries: d1Canaries(env.DB),
  };
}

/** Everything that stores, finds and measures records. */
function tracePlane(env: Env, settings: Settings, exporter: TracePlane["exporter"]): TracePlane {
  const masking = new MaskingKeyStore(env.CONFIG, rootKeysOf(settings), runtimeSystem);
  const trail = auditTrail(env, settings);
  return {
    admissions: d1Admissions(oneShard(env.DB)),
    deadLetters: r2DeadLetters(env.BLOBS, env.TRACES),
    index: d1TraceIndex(oneShard(env.DB), [
      rollupCompanion(env.DB),
      async (tenant, fresh) => {
        const segment = await auditSegment({ ...trail, system: runtimeSystem }, tenant, fresh);
        return segment === undefined ? [] : [appendStatement(env.DB, segment)];
      },
    ]),
    rebuilt: d1TraceIndex(oneShard(env.DB)),
    segments: r2Segments(env.BLOBS, runtimeSystem),
    keeping: d1TraceKeeping(oneShard(env.DB)),
    erasures: d1Erasures(env.DB),
    outcomes: d1Outcomes(env.DB),
    reports: d1Reports(env.DB),
    rollups: d1Rollups(env.DB),
    driftWatch: d1DriftWatch(env.DB),
    ...trail,
    masking,
    raw: r2RawStore(env.BLOBS, masking),
    exportQueue: queuedExports(env.EXPORTS),
    exporter,
    exportLedger: d1ExportLedger(env.DB),
  };
}

function auditTrail(env: Env, { AUDIT_KEY, SECRETS_KEY }: Settings): Pick<Ports, "audit" | "auditSigner"> {
  const book = auditKeyBook(env.DB, () => runtimeSystem.now());
  return {
    audit: auditStore(env.DB, env.BLOBS),
    auditSigner: ed25519Signer({ auditKey: AUDIT_KEY, secretsKey: SECRETS_KEY }, book),
  };
}

function rootKeysOf({ SECRETS_KEY, SECRETS_KEY_PREVIOUS }: Settings): RootKeys {
  return { current: SECRETS_KEY, previous: SECRETS_KEY_PREVIOUS };
}

const SERVICE_PREFIX = "SERVICE_";

function servicesOf(env: Env): ReadonlyMap<string, Service> {
  const found = Object.entries(env).filter(
    (entry): entry is [string, Service] => entry[0].startsWith(SERVICE_PREFIX) && isService(entry[1]),
  );
  return new Map(found.map(([name, service]) => [name.slice(SERVICE_PREFIX.length), service]));
}

function isService(value: unknown): value is Service {
  return typeof value === "object" && value !== null && "fetch" in value;
}
