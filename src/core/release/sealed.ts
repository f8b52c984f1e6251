// Decides what a publication may not change: prompt versions and releases that were published, and releases that are in use.
import type { ConfigDocument } from "../config/document.ts";
import type { Mistake } from "../errors.ts";
import { digestOf } from "../json/digest.ts";
import type { ReleasePointer } from "./pointer.ts";

/** What was published under a name, by its digest. */
export interface Seal {
  /** `prompt/<prompt>@<version>`, or `release/<agent>/<release>`. */
  readonly key: string;
  readonly digest: string;
}

/** The pointers of a tenant's agents, by agent. */
export type Pointers = Readonly<Record<string, ReleasePointer>>;

/** Everything in a document that does not change once it is published. */
export function sealsOf(document: ConfigDocument): readonly (Seal & { readonly path: string })[] {
  const prompts = Object.entries(document.prompts).flatMap(([prompt, { versions }]) =>
    Object.entries(versions).map(([version, entry]) => ({
      key: `prompt/${prompt}@${version}`,
      path: `prompts.${prompt}.versions.${version}`,
      digest: digestOf(entry),
    })),
  );
  const releases = Object.entries(document.agents).flatMap(([agent, entry]) =>
    Object.entries(entry.releases).map(([id, release]) => ({
      key: `release/${agent}/${id}`,
      path: `agents.${agent}.releases.${id}`,
      digest: digestOf(release),
    })),
  );
  return [...prompts, ...releases];
}

/** What a publication would change of what is published: each by name. `sealed` answers the digest under a key. */
function sealMistakes(document: ConfigDocument, sealed: (key: string) => string | undefined): readonly Mistake[] {
  return sealsOf(document).flatMap(({ key, path, digest }) => {
    const was = sealed(key);
    if (was === undefined || was === digest) return [];
    const what = key.startsWith("prompt/") ? "this version of the prompt" : "this release";
    return [{ path, message: `${what} was published with another content, which never changes: add a new one` }];
  });
}

/** Releases that calls are answered by and that the document does not have any more. An agent may go as a whole. */
function pointerMistakes({ agents }: ConfigDocument, pointers: Pointers): readonly Mistake[] {
  return Object.entries(pointers).flatMap(([agent, { live, canary }]) => {
    const releases = Object.hasOwn(agents, agent) ? agents[agent]?.releases : undefined;
    if (releases === undefined) return [];
    const used = [
      { release: live.release, as: "live" },
      ...(canary === null ? [] : [{ release: canary.release, as: "the canary" }]),
    ];
    return used
      .filter(({ release }) => !Object.hasOwn(releases, release))
      .map(({ release, as }) => ({
        path: `agents.${agent}.releases.${release}`,
        message: `the release is ${as}: promote another one, or roll back, before it is removed`,
      }));
  });
}

/** Where a document says of an agent's pointers what is not so: they are moved by calls, not by publications. */
function pointerWarnings({ agents }: ConfigDocument, pointers: Pointers): readonly Mistake[] {
  return Object.entries(agents).flatMap(([agent, { live }]) => {
    const pointer = Object.hasOwn(pointers, agent) ? pointers[agent] : undefined;
    if (pointer === undefined || pointer.live.release === live) return [];
    return [
      {
        path: `agents.${agent}.live`,
        message: `"${pointer.live.release}" is live and stays so: this field only says what is live when the agent is new`,
      },
    ];
  });
}

/** What a document's prompts and releases come to against what was published and what is in use. */
export interface ReleaseReview {
  /** What it would be refused for. */
  readonly mistakes: readonly Mistake[];
  /** What in it has no effect. */
  readonly warnings: readonly Mistake[];
}

/** Reviews a document before it is published. */
export function reviewReleases(
  document: ConfigDocument,
  sealed: (key: string) => string | undefined,
  pointers: Pointers,
): ReleaseReview {
  return {
    mistakes: [...sealMistakes(document, sealed), ...pointerMistakes(document, pointers)],
    warnings: pointerWarnings(document, pointers),
  };
}
