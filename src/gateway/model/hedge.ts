// Asks a second provider where the first is slow to begin; whichever begins first answers, and the other is ended and charged.
import type { Candidate } from "../../core/routing/plan.ts";
import type { ModelPorts } from "../ports.ts";
import type { Attempt } from "./attempt.ts";
import type { ModelCallTally } from "./settle-model-call.ts";
import { attemptOnce, deliver, verdictOf, type Attempts, type Made } from "./try.ts";

/** Two candidates, and how long the first one has for itself. */
export interface Hedge {
  readonly first: Candidate;
  readonly second: Candidate;
  readonly afterMs: number;
}

/** A runner in the race. */
interface Runner {
  readonly running: Promise<Made>;
  /** Ends it, also before its attempt is under way. */
  readonly stop: () => void;
}

/**
 * Races two candidates. The second has an admission of its own; where the budget has no room for that, only the first
 * runs. The loser's upstream call is aborted and its admission closed: at its hold, unless it had an answer or surely
 * billed nothing. Where both fail, the failure that came last is what is answered.
 */
export async function raceHedge(
  ports: ModelPorts,
  attempts: Attempts,
  { tally, first, second, afterMs }: Hedge & { readonly tally: ModelCallTally },
): Promise<Made> {
  const one = start(ports, attempts, { tally, candidate: first });
  const isSlow = await Promise.race([one.running.then(() => false), ports.system.wait(afterMs).then(() => true)]);
  if (!isSlow) return one.running;
  const admitted = await attempts.admitAgain([second]);
  if (!admitted.ok) return one.running;
  const other = start(ports, attempts, { tally: admitted.value, candidate: second });
  const { made, loser } = await winnerOf(one, other);
  if (loser !== undefined) attempts.planned.around.defer(end(attempts, loser));
  return made;
}

function start(
  ports: ModelPorts,
  attempts: Attempts,
  { tally, candidate }: { readonly tally: ModelCallTally; readonly candidate: Candidate },
): Runner {
  let attempt: Attempt | undefined;
  let isUnwanted = false;
  const running = attemptOnce(ports, attempts, {
    tally,
    candidate,
    isLast: false,
    onStart: (started) => {
      attempt = started;
      if (isUnwanted) started.clock.end("outrun");
    },
  });
  const stop = (): void => {
    isUnwanted = true;
    attempt?.clock.end("outrun");
  };
  return { running, stop };
}

async function winnerOf(
  one: Runner,
  other: Runner,
): Promise<{ readonly made: Made; readonly loser: Runner | undefined }> {
  const first = await Promise.race([one.running, other.running]);
  const isOne = (await Promise.race([one.running, Promise.resolve(undefined)])) === first;
  const [winner, loser] = isOne ? [one, other] : [other, one];
  if (verdictOf(first.result) === undefined) return { made: await winner.running, loser };
  // Whoever came first has failed: the other one still may answer, and what failed is closed by itself.
  return { made: await loser.running, loser: winner };
}

/** Ends the one that is not wanted, and closes its admission. */
async function end({ planned }: Attempts, loser: Runner): Promise<void> {
  loser.stop();
  const made = await loser.running;
  if (made.result.type === "stream") {
    await made.result.body.cancel().catch(() => undefined);
    made.tally.settleAtHold("failed", { ok: false, code: "upstream_failed", detail: "another attempt answered first" });
    return;
  }
  // Nobody is answered with it.
  const { onAnswered: _, ...around } = planned.around;
  deliver({ ...planned, around }, made);
}
