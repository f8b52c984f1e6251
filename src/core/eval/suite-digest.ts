// Decides the digest of a suite: what a run of it was decided by, so that a verdict is about exactly that.
import type { ConfigDocument } from "../config/document.ts";
import { digestOf } from "../json/digest.ts";

/**
 * The digest of a suite as a document has it, and of the judges that it asks. SHA-256 over canonical JSON. When it runs,
 * how many cases at once, what people are asked about and its description decide no verdict and are left out. The cases
 * themselves are not part of it: a run names the version of its dataset. `undefined` for a suite that the document has not.
 */
export function suiteDigest({ evals }: Pick<ConfigDocument, "evals">, name: string): string | undefined {
  const suite = Object.hasOwn(evals.suites, name) ? evals.suites[name] : undefined;
  if (suite === undefined) return undefined;
  const { description: _text, schedule: _when, parallel: _atOnce, audit_share: _audits, ...decides } = suite;
  const named = decides.graders.flatMap((grader) => (grader.kind === "judge" ? [grader.judge] : []));
  const judges = [...new Set(named)].map((judge) => [judge, evals.judges[judge] ?? null] as const);
  return digestOf(JSON.parse(JSON.stringify({ suite: decides, judges: Object.fromEntries(judges) })));
}
