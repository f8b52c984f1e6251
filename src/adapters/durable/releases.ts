// Reaches the release pointers of a tenant's agents: moved in its ledger, which owns them.
import { accept, refuse, type Outcome } from "../../core/errors.ts";
import { evidenceMissing } from "../../core/release/evidence.ts";
import { unknownRelease } from "../../core/release/resolve.ts";
import type { ReleaseOrder, ReleaseReply } from "../../core/state/tenant-releases.ts";
import type { ReleaseMove, Releases } from "../../gateway/ports/releases.ts";
import type { DurableControls } from "./controls.ts";
import type { ObjectNamespace, RemoteTenantLedger } from "./rpc.ts";

/** Release pointers behind a Durable Object namespace. */
export function durableReleases(namespace: ObjectNamespace<RemoteTenantLedger>, controls: DurableControls): Releases {
  return {
    move: async (tenant, order, told) => {
      const reply = await namespace.getByName(tenant).moveRelease(order, told);
      controls.forget(tenant);
      return outcomeOf(reply, order);
    },
    read: (tenant, agent) => namespace.getByName(tenant).releases(agent),
    review: (tenant, document) => namespace.getByName(tenant).reviewReleases(document),
  };
}

function outcomeOf(reply: ReleaseReply, { agent, expected }: ReleaseOrder): Outcome<ReleaseMove> {
  switch (reply.type) {
    case "release_moved":
      return accept({ pointer: reply.pointer, change: reply.change });
    case "release_unchanged":
      return accept({ pointer: reply.pointer, change: null });
    case "unknown_agent":
      return refuse("not_found", `no agent "${agent}" in the tenant's config`);
    case "unknown_release":
      return unknownRelease(agent, reply.release);
    case "stale_release":
      return refuse(
        "precondition_failed",
        `the releases of "${agent}" are at generation ${reply.generation}, not ${expected ?? 0}: look at them again`,
      );
    case "nothing_before":
      return refuse("release_not_moved", `nothing that the config still has was live before in agent "${agent}"`);
    case "no_canary":
      return refuse("release_not_moved", `agent "${agent}" has no canary: name the release that is to be it`);
    case "is_live":
      return refuse("release_not_moved", `release "${reply.release}" is live: it cannot be its own canary`);
    case "pinned_elsewhere":
      return refuse(
        "release_policy_mismatch",
        `release "${reply.release}" is pinned to another policy than the active one: nothing would be answered`,
      );
    case "unproven":
      return evidenceMissing({ agent, release: reply.release }, reply.missing);
    default:
      return reply satisfies never;
  }
}
