// Decides which request a replay begins with: the recorded one, for the release that is tested, with the tools as its config has them.
import type { ActiveConfig } from "../../config/published.ts";
import type { Conversation, ToolOffer } from "../../dialect/conversation.ts";
import { matchesAny } from "../../policy/constraints.ts";
import type { ResolvedRelease } from "../../release/release.ts";
import { definitionDigest } from "../../tools/definition.ts";
import { governedTool } from "../dataset/governed-tool.ts";

/** The config that the case was recorded under, as far as it is known: the baseline's. */
export interface OfferGround {
  readonly config: ActiveConfig;
  readonly release: ResolvedRelease;
  readonly before: ActiveConfig;
  readonly system: "keep" | "drop";
}

/**
 * The recorded conversation as the release would get it: tools that the release does not have are not offered, and a tool
 * whose definition is another one than before is offered with its description and schema of now.
 */
export function offered(conversation: Conversation, ground: OfferGround): Conversation {
  const turns =
    ground.system === "keep" ? conversation.turns : conversation.turns.filter(({ role }) => role !== "system");
  return {
    ...conversation,
    turns,
    isStream: false,
    tools: conversation.tools.flatMap((offer) => offerOf(offer, ground)),
  };
}

function offerOf(offer: ToolOffer, { config, release, before }: OfferGround): readonly ToolOffer[] {
  const { tools } = config.published.document;
  const name = governedTool(offer.name, Object.keys(tools));
  const entry = name === null ? undefined : tools[name];
  if (name === null || entry === undefined) return [offer];
  if (release.tools !== null && !matchesAny(name, release.tools.patterns)) return [];
  const was = before.published.document.tools[name];
  if (was !== undefined && definitionDigest(name, was) === definitionDigest(name, entry)) return [offer];
  return [
    {
      ...offer,
      schema: JSON.parse(JSON.stringify(entry.input_schema)) as ToolOffer["schema"],
      ...(entry.description === undefined ? {} : { description: entry.description }),
    },
  ];
}
