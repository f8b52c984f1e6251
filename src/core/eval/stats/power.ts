// Decides the chance that an exact McNemar test sees a drop: over every number of pairs that may change.
import { binomialMass, binomialUpperTail } from "./distributions.ts";

/** The power of the exact one-sided test: pairs change with `discordance`, towards failure by `drop` more often than away from it. */
export function mcNemarPower({
  n,
  discordance,
  drop,
  alpha,
}: {
  readonly n: number;
  readonly discordance: number;
  readonly drop: number;
  readonly alpha: number;
}): number {
  const towards = (discordance + drop) / 2 / discordance;
  const middle = n * discordance;
  // What lies further out weighs less than 1e-13.
  const spread = 8 * Math.sqrt(Math.max(1, middle * (1 - discordance)));
  let power = 0;
  for (
    let changed = Math.max(0, Math.floor(middle - spread));
    changed <= Math.min(n, Math.ceil(middle + spread));
    changed += 1
  ) {
    power += binomialMass(changed, n, discordance) * binomialUpperTail(critical(changed, alpha), changed, towards);
  }
  return power;
}

const known = new Map<string, number>();

/** The least number of changes for the worse that is significant among so many changes; one more than all where none is. */
function critical(changed: number, alpha: number): number {
  const key = `${changed}/${alpha}`;
  const before = known.get(key);
  if (before !== undefined) return before;
  let k = Math.ceil(changed / 2);
  while (k <= changed && binomialUpperTail(k, changed, 0.5) > alpha) k += 1;
  if (known.size < 20_000) known.set(key, k);
  return k;
}
