// Sequences a config's life: check, publish against the version that was read, roll back.
import { checkConfig, type PriceBook, type Surroundings } from "../core/config/check.ts";
import type { ConfigDocument } from "../core/config/document.ts";
import type { AcceptedDefinitions, PublishedConfig } from "../core/config/published.ts";
import { accept, invalidConfig, refuse, type Mistake, type Outcome } from "../core/errors.ts";
import { signingKeyText } from "../core/guard/signing-key.ts";
import { digestOf } from "../core/json/digest.ts";
import type { Principal } from "../core/principal.ts";
import type { Ports } from "./ports.ts";

/** What the deployment offers to configs: prices, bindings, and whether private hosts may be targets. */
export interface Deployment {
  readonly priceBook: PriceBook;
  readonly services: readonly string[];
  readonly hasWorkersAi: boolean;
  readonly allowPrivateEgress: boolean;
}

/** A candidate that passed every check, ready to be stored. */
export type CheckedConfig = Omit<PublishedConfig, "version" | "published_at">;

/** A candidate that may be published, and what looks wrong in it all the same. */
export interface Checked {
  readonly candidate: CheckedConfig;
  readonly warnings: readonly Mistake[];
}

/** Checks a candidate without publishing; refuses `invalid_config` with every mistake at once. */
export async function checkCandidate(
  ports: Pick<Ports, "secrets">,
  deployment: Deployment,
  principal: Principal,
  asked: {
    readonly candidate: unknown;
    readonly tests?: "refuse" | "warn";
    /** The active version: what a candidate leaves to it, stays. */
    readonly active?: PublishedConfig | undefined;
  },
): Promise<Outcome<Checked>> {
  const { tenant } = principal;
  const secrets = await ports.secrets.names(tenant);
  const around: Surroundings = { ...deployment, secrets, active: asked.active?.document };
  const checked = checkConfig(asked.candidate, around, { tests: asked.tests ?? "refuse" });
  if (!checked.ok) return invalidConfig(checked.mistakes);
  const { document, prices, rules, warnings } = checked;
  const unsigned = await signingMistakes(ports, tenant, document);
  if (unsigned.length > 0) return refuse("invalid_config", "a secret cannot sign webhooks", { mistakes: unsigned });
  const digest = digestOf({ document, prices });
  return accept({
    candidate: { tenant, digest, published_by: principal.keyId, document, prices, rules },
    warnings,
  });
}

/** Secrets that could sign no webhook: looked at when a config is checked, for whoever is to be told finds out too late. */
async function signingMistakes(
  { secrets }: Pick<Ports, "secrets">,
  tenant: string,
  { approvals }: ConfigDocument,
): Promise<readonly Mistake[]> {
  const named = [
    { path: "approvals.secret", name: approvals.secret },
    ...Object.entries(approvals.approvers).map(([approver, { secret }]) => ({
      path: `approvals.approvers.${approver}.secret`,
      name: secret,
    })),
  ];
  const found = await Promise.all(
    named.map(async ({ path, name }): Promise<readonly Mistake[]> => {
      const text = name === undefined ? undefined : await secrets.reveal(tenant, name);
      if (text === undefined || signingKeyText(text) !== undefined) return [];
      return [
        { path, message: `secret "${name}" signs nothing: expected base64 of 16 to 128 bytes, or whsec_ and that` },
      ];
    }),
  );
  return found.flat();
}

/**
 * Publishes a candidate as the next version, if the version its author read is still the active one.
 * `expected` is that version (0 when nothing was published); refuses `precondition_failed` when it is not.
 */
export async function publishCandidate(
  ports: Pick<Ports, "secrets" | "configs">,
  deployment: Deployment,
  principal: Principal,
  publication: {
    readonly candidate: unknown;
    readonly expected: number;
    /** What it takes over of an MCP server. */
    readonly accepted?: AcceptedDefinitions;
  },
): Promise<Outcome<PublishedConfig>> {
  const active = await ports.configs.current(principal.tenant);
  const checked = await checkCandidate(ports, deployment, principal, { ...publication, active });
  if (!checked.ok) return checked;
  const { accepted, expected } = publication;
  const { candidate } = checked.value;
  return ports.configs.publish(accepted === undefined ? candidate : { ...candidate, accepted }, expected);
}

/** A published rollback, and what today's checks say of the document it brought back. */
export interface RolledBack {
  readonly published: PublishedConfig;
  readonly warnings: readonly Mistake[];
}

/**
 * Publishes an earlier version's document as the next version. It is checked against today's secrets and services, and
 * refused `invalid_config` where they are gone; its tests run and only warn, for a way back must not wait for a test.
 */
export async function rollBack(
  ports: Pick<Ports, "secrets" | "configs">,
  deployment: Deployment,
  principal: Principal,
  rollback: { readonly version: number; readonly reason: string | null; readonly expected: number },
): Promise<Outcome<RolledBack>> {
  const { version, reason, expected } = rollback;
  const found = await ports.configs.version(principal.tenant, version);
  if (found === undefined) return refuse("not_found", `no config version ${version}`);
  const checked = await checkCandidate(ports, deployment, principal, { candidate: found.document, tests: "warn" });
  if (!checked.ok) return checked;
  const { candidate, warnings } = checked.value;
  const published = await ports.configs.publish({ ...candidate, rolled_back: { to: version, reason } }, expected);
  return published.ok ? accept({ published: published.value, warnings }) : published;
}
