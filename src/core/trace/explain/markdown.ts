// Decides how an explanation reads as Markdown: text for an incident review in which nothing from outside can act.

/** An explanation as far as it is read aloud: one that came over the wire, perhaps of a later release, is one too. */
export interface ReadableExplanation {
  readonly subject: { readonly type: string; readonly id: string };
  readonly from: string;
  readonly to: string;
  readonly calls: number;
  readonly spans: number;
  readonly cost_usd: string;
  readonly sections: readonly {
    readonly id: string;
    readonly title: string;
    readonly sentences: readonly ReadableSentence[];
  }[];
}

interface ReadableSentence {
  readonly text: string;
  readonly span_ids: readonly string[];
  readonly links: readonly { readonly rel: string; readonly href: string }[];
}

/** Spans and links shown behind one sentence. */
const MOST_SHOWN = 3;

/**
 * The explanation as Markdown (CommonMark). What comes from outside stands in code spans, where neither Markdown nor HTML
 * is read; everything else is escaped. Links are paths of this API, put behind `base`.
 */
export function markdownOf(explanation: ReadableExplanation, base = ""): string {
  const { subject, from, to, calls, spans, cost_usd, sections } = explanation;
  const told = sections.flatMap(({ id, title, sentences }) => [
    `## ${escaped(title)}`,
    "",
    ...(sentences.length === 0
      ? [NOTHING[id] ?? "Nothing of this is recorded."]
      : sentences.map((each) => bulletOf(each, base))),
    "",
  ]);
  return [
    `# What happened in ${escaped(subject.type)} ${codeOf(subject.id)}`,
    "",
    `${calls} ${calls === 1 ? "call" : "calls"}, ${spans} ${spans === 1 ? "span" : "spans"}, from ${escaped(from)} to ${escaped(to)}, at a cost of ${escaped(`$${cost_usd}`)}. From stored facts alone; behind each sentence stand the spans it rests on.`,
    "",
    ...told,
  ].join("\n");
}

const NOTHING: Readonly<Record<string, string>> = { unknown: "The stored records leave nothing open." };

function bulletOf({ text, span_ids, links }: ReadableSentence, base: string): string {
  const spans = span_ids.slice(0, MOST_SHOWN).map(codeOf);
  const more = span_ids.length - spans.length;
  const evidence = links.map(({ rel, href }) => `[${escaped(rel.replaceAll("_", " "))}](<${base}${safe(href)}>)`);
  const behind = [...spans, ...(more > 0 ? [`${more} more`] : []), ...new Set(evidence)];
  return `- ${proseOf(text)} (${behind.join(", ")})`;
}

const QUOTED = /“([^“”]*)”/g;

/** A sentence's text: what stands between the quotation marks as code, the rest escaped. */
function proseOf(text: string): string {
  let out = "";
  let at = 0;
  for (const match of text.matchAll(QUOTED)) {
    out += escaped(text.slice(at, match.index)) + codeOf(match[1] ?? "");
    at = match.index + match[0].length;
  }
  return out + escaped(text.slice(at));
}

/** A code span: its fence is longer than any run of backticks inside, so that nothing inside can end it. */
function codeOf(text: string): string {
  if (text.trim() === "") return text === "" ? "(empty)" : "(blank)";
  const oneLine = text.replaceAll(/[\r\n]+/g, " ");
  const longest = [...oneLine.matchAll(/`+/g)].reduce((most, [run]) => Math.max(most, run.length), 0);
  const fence = "`".repeat(longest + 1);
  const pad = oneLine.startsWith("`") || oneLine.endsWith("`") ? " " : "";
  return `${fence}${pad}${oneLine}${pad}${fence}`;
}

const ACTIVE = /[\\`*_{}[\]<>#|~!&@$]/g;

/** Text in which no character is Markdown or HTML, on one line. */
function escaped(text: string): string {
  return text.replaceAll(/[\r\n]+/g, " ").replaceAll(ACTIVE, (character) => ENTITIES[character] ?? `\\${character}`);
}

const ENTITIES: Readonly<Record<string, string>> = { "<": "&lt;", ">": "&gt;", "&": "&amp;" };

/** A path that can stand between `<` and `>`. */
function safe(href: string): string {
  return href.replaceAll(/[<>\s\\]/g, (character) => encodeURIComponent(character));
}
