// Reaches a tenant's kill switches: set and cleared in its ledger, which owns them.
import { accept, GatewayFault, refuse } from "../../core/errors.ts";
import type { Switches } from "../../gateway/ports.ts";
import type { DurableControls } from "./controls.ts";
import type { ObjectNamespace, RemoteTenantLedger } from "./rpc.ts";

/** Kill switches behind a Durable Object namespace. */
export function durableSwitches(namespace: ObjectNamespace<RemoteTenantLedger>, controls: DurableControls): Switches {
  return {
    set: async (tenant, set, told) => {
      const reply = await namespace.getByName(tenant).setSwitch(set, told);
      controls.forget(tenant);
      if (reply.type === "switch_set") return accept(reply.record);
      if (reply.type === "too_many_switches")
        return refuse("invalid_request", `${reply.limit} switches are set already: clear some, or widen one`);
      throw new GatewayFault("internal", `the tenant's ledger answered "${reply.type}" to a switch`);
    },
    clear: async (tenant, id, how) => {
      const reply = await namespace.getByName(tenant).clearSwitch(id, how);
      controls.forget(tenant);
      if (reply.type === "switch_cleared") return accept(reply.record);
      if (reply.type === "unknown_switch") return refuse("not_found", `no switch "${id}" is set`);
      throw new GatewayFault("internal", `the tenant's ledger answered "${reply.type}" to clearing a switch`);
    },
    list: (tenant) => namespace.getByName(tenant).switches(),
  };
}
