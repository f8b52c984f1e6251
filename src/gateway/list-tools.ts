// Lists the tools that a caller is shown: under the config and the switches of this instant, as one actor or as each that its key may be.
import type { CallContext } from "../core/call.ts";
import type { ResolvedTool } from "../core/config/published.ts";
import { listTools, type ListingCaller } from "../core/policy/listing.ts";
import { mayActAs, type Principal } from "../core/principal.ts";
import type { Ports } from "./ports.ts";

/** Who asks, and how the list is narrowed. */
export interface ListingAsk extends Pick<CallContext, "endUser" | "endUserOrigin" | "release" | "allowedTools"> {
  readonly principal: Principal;
  /** The actor that the caller acts as, which its key may be; `null` for every actor that it may be. */
  readonly actor: string | null;
}

/** The tools, each once, in the order of their names; none while the tenant has published nothing. */
export async function shownTools(
  ports: Pick<Ports, "configs" | "controls" | "system">,
  ask: ListingAsk,
): Promise<readonly ResolvedTool[]> {
  const { principal, actor } = ask;
  const { switches } = await ports.controls.current(principal.tenant);
  const config = await ports.configs.active(principal.tenant);
  if (config === undefined) return [];
  const known = Object.keys(config.published.document.actors);
  const actors = actor === null ? known.filter((name) => mayActAs(principal, name)) : [actor];
  const around = { switches, now: ports.system.now() };
  const lists = actors.map((each) => listTools(config, callerOf({ ...ask, actor: each }), around));
  const shown = new Set(lists.flat().flatMap(({ tool: { name }, verdict }) => (verdict === "visible" ? [name] : [])));
  return [...shown].toSorted().flatMap((name) => config.tool(name) ?? []);
}

/** A caller as the policy lists tools for it. */
export function callerOf(ask: Omit<ListingAsk, "actor"> & { readonly actor: string }): ListingCaller {
  const { principal, actor, endUser, endUserOrigin, release, allowedTools } = ask;
  const { keyId, roles, scopes } = principal;
  return {
    actor,
    principal: { key_id: keyId, roles, scopes },
    allowedTools,
    user: endUser,
    userOrigin: endUserOrigin,
    release,
  };
}
