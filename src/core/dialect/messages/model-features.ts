// Decides what a Claude model takes, from its name: where system texts may stand, and how it is told to think.

/** Major and minor of a model's version as one number: 4.8 is 408. Unversioned names are taken for the newest. */
function versionOf(model: string): number {
  const match = /claude-(?:[a-z]+-)?(\d{1,2})(?:[-.](\d{1,2}))?(?!\d)/.exec(model);
  return match === null ? Number.POSITIVE_INFINITY : Number(match[1]) * 100 + Number(match[2] ?? 0);
}

/** Whether a message of the role `system` may stand among the others: since Opus 4.8. */
export function takesSystemInside(model: string): boolean {
  return versionOf(model) >= 408;
}

/** Whether the model decides itself how much it thinks, and takes a word for the effort: since 4.6. */
export function thinksAdaptively(model: string): boolean {
  return versionOf(model) >= 406;
}
