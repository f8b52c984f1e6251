// Entry of `npm run bench`: starts the targets, measures them in interleaved rounds, reports.
import { benchEvals } from "./evals.ts";
import { type Flags, parseFlags } from "./flags.ts";
import { benchPolicy } from "./policy.ts";
import { chooseGenerator, generatorVersion } from "./load/generator.ts";
import { closeConnections } from "./load/stream-client.ts";
import { mayPin, pinSelf, stopAll, stopAllOnExit } from "./machine/children.ts";
import { makeScratch } from "./machine/scratch.ts";
import { workerdVersion } from "./machine/workerd.ts";
import { measureRounds } from "./measure/rounds.ts";
import { machine, writeResults } from "./report/results-file.ts";
import { summarise } from "./report/summary.ts";
import { renderTables } from "./report/tables.ts";
import { benchSurfaces } from "./surfaces/bench-surfaces.ts";
import { startTargets } from "./targets/start-targets.ts";

const say = (line: string): void => void process.stdout.write(`${line}\n`);

function describeSetting(flags: Flags): void {
  const { cpu, cores, memory_gib: memory } = machine();
  const pinning = mayPin()
    ? "gateway alone on core 1, load and mock on core 0"
    : "NOT pinned (needs taskset and two cores): expect noise";
  say(`${cpu}, ${cores} cores, ${memory} GiB; workerd ${workerdVersion()}, Node ${process.version}`);
  say(`${generatorVersion(chooseGenerator())}; ${pinning}`);
  if (chooseGenerator() !== "wrk") say("wrk is not installed: the slower raw-socket generator runs");
  say(`mode ${flags.mode}, ${flags.rounds} x ${flags.seconds} s per target and load`);
}

async function main(): Promise<void> {
  const beganMs = performance.now();
  const began = new Date();
  const flags = parseFlags(process.argv.slice(2));
  stopAllOnExit();
  // NOTE: a closed pipe (`| head`) must end the run with its children, without a stack trace.
  process.stdout.on("error", () => process.exit(1));
  pinSelf();
  describeSetting(flags);
  const generator = chooseGenerator();
  const scratch = makeScratch();
  const { targets, skipped } = await startTargets(flags.mode, flags.targets, scratch);
  for (const { name, what } of targets) say(`  ${name}: ${what}`);
  for (const { name, why } of skipped) say(`  SKIPPED ${name}: ${why}`);
  const samples = await measureRounds(targets, {
    flags,
    generator,
    scratch: scratch.disk,
    deadlineMs: beganMs + flags.maxSeconds * 1000,
    say,
  });
  const summary = summarise(
    samples,
    targets.map(({ name }) => name),
  );
  const file = writeResults({
    began,
    flags,
    generator,
    scratch,
    targets,
    skipped,
    samples,
    summary,
  });
  say(`\n${renderTables(summary)}\n`);
  say(`${samples.roundsDone} rounds in ${((performance.now() - beganMs) / 1000).toFixed(0)} s; ${file}`);
  for (const problem of samples.problems) say(`PROBLEM ${problem}`);
  process.exitCode = samples.problems.length > 0 || samples.roundsDone === 0 ? 1 : 0;
}

try {
  if (process.argv[2] === "policy") say(benchPolicy().join("\n"));
  else if (process.argv[2] === "evals") process.exitCode = await benchEvals(process.argv.slice(3), say);
  else if (process.argv[2] === "surfaces") process.exitCode = await benchSurfaces(process.argv.slice(3), say);
  else await main();
} catch (fault) {
  process.stderr.write(`${fault instanceof Error ? fault.message : String(fault)}\n`);
  process.exitCode = 1;
} finally {
  closeConnections();
  stopAll();
}
