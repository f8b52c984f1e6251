// Decides the digest of a judge: its models as they resolve, its rubric, how it is asked. Any change makes it another judge.
import type { JudgeEntry } from "../../config/eval-document.ts";
import { digestOf } from "../../json/digest.ts";
import { contentOf, type ReleaseWorld } from "../../release/release.ts";
import { TEMPLATE_VERSION } from "./ask-judge.ts";

/**
 * The digest of a judge under a config version: SHA-256 over what each of its models resolves to, with providers and
 * prices, its rubric and scale, how often and with what bound it is asked, and the wording. What it may cost and what it
 * takes to gate decide no answer and are left out.
 */
export function judgeDigest(world: ReleaseWorld, { models, samples, rubric, max_output_tokens }: JudgeEntry): string {
  const panel = models.map((model) => {
    const isRoute = Object.hasOwn(world.document.routes, model);
    return contentOf(world, isRoute ? { route: model, tools: [] } : { model, tools: [] }) ?? model;
  });
  return digestOf({ panel, samples, rubric, max_output_tokens, template: TEMPLATE_VERSION });
}
