// Decides the digest of a judge: its models as they resolve, its rubric, how it is asked. Any change makes it another judge.
import type { JudgeEntry } from "../../config/eval-document.ts";
import { digestOf } from "../../json/digest.ts";
import { contentOf, type ReleaseWorld } from "../../release/release.ts";
import { TEMPLATE_VERSION } from "./ask-judge.ts";

/** The digest of a judge under a config version. */
export function judgeDigest(world: ReleaseWorld, { models, samples, rubric }: JudgeEntry): string {
  const panel = models.map((model) => {
    const isRoute = Object.hasOwn(world.document.routes, model);
    return contentOf(world, isRoute ? { route: model, tools: [] } : { model, tools: [] }) ?? model;
  });
  return digestOf({ panel, samples, rubric, template: TEMPLATE_VERSION });
}
