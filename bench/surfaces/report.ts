// Turns the samples of the surfaces into ratios within a round, and judges them by the targets of the model plane.
import { median } from "../report/summary.ts";
import { table } from "../report/tables.ts";
import { pairs, surfaceCalls, tokensPerStream, unaskedName } from "./cells.ts";

export interface SurfaceSample {
  readonly round: number;
  readonly target: string;
  readonly call: string;
  readonly rps: number;
  /** CPU of the target's process tree per answer, trailing work included. */
  readonly cpuUs: number;
}

/** First bytes of one call in one round, in milliseconds. */
interface FirstByteSample {
  readonly round: number;
  readonly call: string;
  readonly direct: readonly number[];
  readonly ours: readonly number[];
}

export interface SurfaceSamples {
  load: SurfaceSample[];
  readonly firstByte: FirstByteSample[];
  /** Everything that was not as it should be; a run with any of these fails. */
  readonly problems: string[];
  roundsDone: number;
}

/** A target, what was measured for it, and whether that meets it. */
export interface Judged {
  readonly target: string;
  readonly measured: number;
  readonly isMet: boolean;
}

const portkeyTarget = 2.5;
const translationTarget = 1.5;
const firstByteTargetMs = 3;

/** The whole report, and the targets with their verdicts. */
export function renderSurfaces(samples: SurfaceSamples): {
  readonly text: string;
  readonly targets: readonly Judged[];
} {
  const targets = judge(samples);
  const verdicts = targets.map(({ target, measured, isMet }) => [
    target,
    measured.toFixed(2),
    isMet ? "met" : "missed",
  ]);
  const text = [surfaceTable(samples), pairTable(samples), table("targets", ["target", "measured", ""], verdicts)];
  return { text: text.join("\n\n"), targets };
}

function cellsIn({ load }: SurfaceSamples, target: string, call: string): readonly SurfaceSample[] {
  return load.filter((sample) => sample.target === target && sample.call === call);
}

/** Median over rounds of one cell over another of the same round. */
function ratio(
  own: readonly SurfaceSample[],
  other: readonly SurfaceSample[],
  of: (sample: SurfaceSample) => number,
): number {
  return median(
    own.flatMap((sample) => {
      const same = other.find(({ round }) => round === sample.round);
      return same === undefined ? [] : [of(sample) / of(same)];
    }),
  );
}

const cpu = ({ cpuUs }: SurfaceSample): number => cpuUs;
const rps = (sample: SurfaceSample): number => sample.rps;

function surfaceTable(samples: SurfaceSamples): string {
  const rows = surfaceCalls.flatMap(({ name, isStream, isPassThrough }) => {
    const ours = cellsIn(samples, "interlock", name);
    const bare = cellsIn(samples, "bare", name);
    const portkey = cellsIn(samples, "portkey-workerd", name);
    const cpuUs = median(ours.map(cpu));
    return [
      [
        name,
        shown(median(ours.map(rps)), 0),
        shown(cpuUs, 0),
        isPassThrough ? shown(ratio(ours, bare, cpu), 2) : "",
        isStream ? shown((tokensPerStream * 1e6) / cpuUs, 0) : "",
        isStream ? shown(added(samples, name), 2) : "",
        shown(ratio(ours, portkey, rps), 2),
        shown(ratio(portkey, ours, cpu), 2),
      ],
    ];
  });
  const header = [
    "interlock",
    "req/s",
    "CPU us",
    "x bare",
    "tokens/s/core",
    "first byte +ms",
    "req/s x Portkey",
    "CPU saved x",
  ];
  return table("by surface, c=32", header, rows);
}

function pairTable(samples: SurfaceSamples): string {
  const rows = pairs.flatMap(([from, to]) =>
    ["whole", "stream"].map((form) => [
      `${from}→${to} ${form}`,
      ...[from, to].map((surface) => shown(translated(samples, `${from}→${to} ${form}`, `${surface} ${form}`), 2)),
    ]),
  );
  return table("CPU of a translation to that of a pass-through", ["pair", "caller's dialect", "provider's"], rows);
}

function translated(samples: SurfaceSamples, pair: string, plain: string): number {
  return ratio(cellsIn(samples, "interlock", pair), cellsIn(samples, "interlock", plain), cpu);
}

/** Median over rounds of our first byte less the provider's own. */
function added({ firstByte }: SurfaceSamples, name: string): number {
  return median(firstByte.filter(({ call }) => call === name).map((one) => median(one.ours) - median(one.direct)));
}

function judge(samples: SurfaceSamples): readonly Judged[] {
  const portkey = ["chat stream", unaskedName].map((name) => {
    const peer = cellsIn(samples, "portkey-workerd", name);
    return atLeast(`${name}: req/s to Portkey`, ratio(cellsIn(samples, "interlock", name), peer, rps), portkeyTarget);
  });
  const firstBytes = surfaceCalls
    .filter(({ isStream }) => isStream)
    .map(({ name }) => atMost(`${name}: first byte to direct, ms`, added(samples, name), firstByteTargetMs));
  const translations = pairs.flatMap(([from, to]) =>
    ["whole", "stream"].map((form) => {
      const pair = `${from}→${to} ${form}`;
      return atMost(`${pair}: CPU to ${from}`, translated(samples, pair, `${from} ${form}`), translationTarget);
    }),
  );
  return [...portkey, ...firstBytes, ...translations];
}

function atLeast(what: string, measured: number, least: number): Judged {
  return { target: `${what} >= ${least}`, measured, isMet: measured >= least };
}

function atMost(what: string, measured: number, most: number): Judged {
  return { target: `${what} <= ${most}`, measured, isMet: measured <= most };
}

function shown(value: number, digits: number): string {
  return Number.isNaN(value) ? "-" : value.toFixed(digits);
}
