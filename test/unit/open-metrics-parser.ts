// Reads OpenMetrics 1.0 text as strictly as its specification allows: whatever a conforming reader may refuse throws here.

/** One sample. */
export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** One family. */
export interface Family {
  readonly name: string;
  readonly type: string;
  readonly unit: string | undefined;
  readonly help: string | undefined;
  readonly samples: readonly Sample[];
}

interface Open {
  readonly name: string;
  type: string | undefined;
  unit: string | undefined;
  help: string | undefined;
  readonly samples: Sample[];
}

const NAME = "[a-zA-Z_:][a-zA-Z0-9_:]*";
const SAMPLE = new RegExp(String.raw`^(${NAME})(?:\{(.*)\})? (\S+)$`, "s");
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(,|$)/y;
const SUFFIXES: Readonly<Record<string, readonly string[]>> = {
  counter: ["_total", "_created"],
  gauge: [""],
  histogram: ["_bucket", "_count", "_sum", "_created"],
};

/** The families of a text; throws for anything that the specification does not allow. */
export function parseOpenMetrics(text: string): readonly Family[] {
  if (!text.endsWith("# EOF\n")) throw new Error("the text does not end with # EOF");
  const lines = text.slice(0, -"# EOF\n".length).split("\n");
  if (lines.pop() !== "") throw new Error("a line has no end");
  const families: Open[] = [];
  for (const line of lines) readLine(families, line);
  const names = families.map(({ name }) => name);
  if (new Set(names).size !== names.length) throw new Error("a family is interleaved with another, or there twice");
  return families.map(closed);
}

function readLine(families: Open[], line: string): void {
  if (line === "") throw new Error("an empty line");
  const meta = new RegExp(String.raw`^# (TYPE|UNIT|HELP) (${NAME}) (.*)$`, "s").exec(line);
  if (meta !== null) return readMeta(families, meta);
  if (line.startsWith("#")) throw new Error(`no comments are allowed: ${line}`);
  const sample = sampleOf(line);
  const family = families.at(-1);
  const suffixes = SUFFIXES[family?.type ?? ""] ?? [];
  if (family === undefined || !suffixes.some((suffix) => family.name + suffix === sample.name))
    throw new Error(`no sample of the family before it: ${line}`);
  family.samples.push(sample);
}

function readMeta(families: Open[], [, word, name = "", rest = ""]: RegExpExecArray): void {
  let family = families.at(-1);
  if (family?.name !== name) {
    family = { name, type: undefined, unit: undefined, help: undefined, samples: [] };
    families.push(family);
  }
  if (family.samples.length > 0) throw new Error(`metadata of ${name} after its samples`);
  const member = word === "TYPE" ? "type" : word === "UNIT" ? "unit" : "help";
  if (family[member] !== undefined) throw new Error(`${word ?? ""} of ${name} twice`);
  family[member] = member === "help" ? unescaped(rest) : rest;
}

function sampleOf(line: string): Sample {
  const [, name = "", labels, number = ""] = SAMPLE.exec(line) ?? [];
  if (name === "") throw new Error(`no sample: ${line}`);
  if (!/^[+-]?(\d+(\.\d+)?([eE][+-]?\d+)?|Inf|NaN)$/.test(number)) throw new Error(`no number: ${line}`);
  return { name, labels: labelsOf(labels ?? "", line), value: Number(number.replace("Inf", "Infinity")) };
}

function labelsOf(text: string, line: string): Readonly<Record<string, string>> {
  const labels: Record<string, string> = {};
  LABEL.lastIndex = 0;
  while (LABEL.lastIndex < text.length) {
    const [, name = "", value = "", end] = LABEL.exec(text) ?? [];
    if (name === "" || (end === "," && LABEL.lastIndex === text.length)) throw new Error(`no labels: ${line}`);
    if (name in labels) throw new Error(`label ${name} twice: ${line}`);
    labels[name] = unescaped(value);
  }
  return labels;
}

function unescaped(text: string): string {
  return text.replaceAll(/\\(["\\n])/g, (_, character: string) => (character === "n" ? "\n" : character));
}

function closed({ name, type, unit, help, samples }: Open): Family {
  if (type === undefined || SUFFIXES[type] === undefined) throw new Error(`${name} has no type that is known here`);
  if (unit !== undefined && !name.endsWith(`_${unit}`)) throw new Error(`${name} does not end with its unit ${unit}`);
  if (/_(total|created|bucket|count|sum|info)$/.test(name)) throw new Error(`${name} has a reserved suffix`);
  const seen = samples.map((each) => `${each.name} ${labelsText(each.labels)}`);
  if (new Set(seen).size !== seen.length) throw new Error(`${name} has a sample twice`);
  if (type === "counter" && samples.some(({ value }) => !(value >= 0))) throw new Error(`${name} counts below zero`);
  if (type === "histogram") checkHistogram(name, samples);
  return { name, type, unit, help, samples };
}

/** Labels but one as a text, whatever their order. */
function labelsText(labels: Sample["labels"], but?: string): string {
  const names = Object.keys(labels).filter((name) => name !== but);
  return JSON.stringify(names.toSorted((left, right) => left.localeCompare(right)).map((name) => [name, labels[name]]));
}

function checkHistogram(name: string, samples: readonly Sample[]): void {
  const metricOf = ({ labels }: Sample): string => labelsText(labels, "le");
  const order = samples.map(metricOf).filter((metric, at, all) => metric !== all[at - 1]);
  if (new Set(order).size !== order.length) throw new Error(`${name} interleaves its metrics`);
  for (const group of Map.groupBy(samples, metricOf).values()) {
    const buckets = group.filter((each) => each.name.endsWith("_bucket"));
    const ends = buckets.map(({ labels: { le = "" } }) => le);
    if (ends.some((le) => !/^(\d+\.\d+|\d(\.\d+)?e[+-]\d+|\+Inf)$/.test(le)))
      throw new Error(`${name} has a le that is not canonical`);
    const numbers = ends.map((le) => Number(le.replace("Inf", "Infinity")));
    if (ends.at(-1) !== "+Inf" || numbers.some((end, at) => end <= (numbers[at - 1] ?? -Infinity)))
      throw new Error(`${name} has buckets out of order`);
    if (buckets.some(({ value }, at) => value < (buckets[at - 1]?.value ?? 0)))
      throw new Error(`${name} has buckets that fall`);
    const count = group.find((each) => each.name.endsWith("_count"))?.value;
    if (count !== buckets.at(-1)?.value) throw new Error(`${name} counts other than its last bucket`);
  }
}
