// Decides what a replay can reach: models under the config of the side that is tested, and nothing through which a tool, an approver or a queue of calls could be.
import { ActiveConfig } from "../../core/config/published.ts";
import type { EvalSide } from "../../core/eval/side.ts";
import type { ModelPorts } from "../ports.ts";

/** A side ready to be run. */
export interface RunningSide {
  readonly side: EvalSide;
  readonly config: ActiveConfig;
  readonly ports: ModelPorts;
}

/** The ports of a side. There is no tool in them by type, so nothing that is given them can call one. */
export function runningSide(ports: ModelPorts, side: EvalSide): RunningSide {
  const config = new ActiveConfig(side.published);
  const live = { release: side.release, digest: side.digest };
  return {
    side,
    config,
    ports: {
      ...ports,
      configs: { ...ports.configs, active: () => Promise.resolve(config), recent: () => Promise.resolve(config) },
      controls: {
        current: async (tenant) => {
          const controls = await ports.controls.current(tenant);
          const pointer = { generation: 0, live, canary: null, past: [] };
          return { ...controls, releases: { ...controls.releases, [side.agent]: pointer } };
        },
      },
    },
  };
}
