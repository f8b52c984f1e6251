// The command line of the bench: what may be asked for and what it means when left out.
import { parseArgs } from "node:util";
import { defaultTargets, type Mode } from "./targets/start-targets.ts";

export interface Flags {
  readonly mode: Mode;
  readonly rounds: number;
  readonly seconds: number;
  readonly targets: readonly string[];
  readonly isQuick: boolean;
  /** The run starts nothing new after this many seconds; rounds left over are dropped, and said. */
  readonly maxSeconds: number;
}

const usage = `npm run bench -- [flags]
  --mode core|full   core: bare workerd (default); full: Miniflare, all bindings
  --rounds <n>       interleaved rounds over all targets (default 3)
  --seconds <n>      seconds of load per cell (default 2)
  --targets <list>   comma list of direct, bare, interlock-disk, interlock-tmpfs, interlock,
                     portkey-workerd, portkey-node, or label=path/to/index.js for another build
  --quick            one unwarmed round of one second: shows that all works, proves nothing`;

/** Reads the command line. Throws the usage when asked for help, and on anything it does not know. */
export function parseFlags(args: readonly string[]): Flags {
  const { values } = parseArgs({
    args: [...args],
    options: {
      mode: { type: "string", default: "core" },
      rounds: { type: "string" },
      seconds: { type: "string" },
      targets: { type: "string" },
      quick: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) throw new Error(usage);
  const { mode, quick } = values;
  if (mode !== "core" && mode !== "full") throw new Error(`unknown mode ${mode}\n${usage}`);
  const rounds = count("rounds", values.rounds, quick ? 1 : 3);
  const seconds = count("seconds", values.seconds, quick ? 1 : 2);
  const isDefaultLength = values.rounds === undefined && values.seconds === undefined;
  const targets = values.targets?.split(",").filter((name) => name !== "") ?? defaultTargets[mode];
  if (!targets.includes("bare")) throw new Error("--targets needs bare: ratios are taken against it");
  return {
    mode,
    rounds,
    seconds,
    targets,
    isQuick: quick,
    maxSeconds: quick ? 55 : isDefaultLength ? 230 : 60 + rounds * targets.length * (seconds + 1) * 6,
  };
}

function count(name: string, text: string | undefined, standard: number): number {
  if (text === undefined) return standard;
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > 600) {
    throw new Error(`--${name} wants a whole number from 1 to 600`);
  }
  return value;
}
