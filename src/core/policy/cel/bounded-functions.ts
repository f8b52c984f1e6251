// Decides how long the texts may get that an expression makes, and how its lists grow: the engine's own know no limit.
import {
  celFunc,
  celList,
  celMethod,
  CelScalar,
  isCelError,
  isCelList,
  isCelMap,
  listType,
  type CelFunc,
  type CelList,
  type CelValue,
} from "@bufbuild/cel";
import { strings } from "@bufbuild/cel/ext";
import { Meter, STEP_BUDGET } from "./meter.ts";

const { DYN, INT, STRING } = CelScalar;
const LIST = listType(DYN);

/** The longest text that an expression may make, in UTF-16 code units; texts of the call are shorter by far. */
const MAX_MADE_TEXT = 256 * 1024;

/** The longest list that an expression may put together: none that is longer can be walked. */
const MAX_MADE_ITEMS = STEP_BUDGET;

function limited(length: number): void {
  if (length > MAX_MADE_TEXT) throw new Error(`a text of more than ${MAX_MADE_TEXT} characters`);
}

/** The engine's form of a function that takes so many arguments. */
function engines(name: string, count: number): CelFunc {
  const found = strings.find((func) => func.name === name && func.arguments.length === count);
  if (found === undefined) throw new Error(`the engine has no ${name}()`);
  return found;
}

function answer(func: CelFunc, target: CelValue, args: CelValue[]): string {
  const result = func.call(0, target, args);
  if (typeof result === "string") return result;
  throw isCelError(result) ? result : new Error(`${func.name}() gives no text`);
}

/** About how many characters a value takes when it is written out; walks no further than the limit. */
function writtenLength(value: CelValue | undefined): number {
  if (typeof value === "string") return value.length;
  if (value instanceof Uint8Array) return value.length * 3;
  if (isCelMap(value)) return sumOf([...value].flat());
  return isCelList(value) ? sumOf([...value]) : 64;
}

function sumOf(values: readonly CelValue[]): number {
  let sum = 0;
  for (const value of values) {
    sum += writtenLength(value) + 2;
    limited(sum);
  }
  return sum;
}

function joined(list: CelList, separator: string): string {
  const texts = [...list];
  limited(sumOf(texts) + separator.length * texts.length);
  return answer(engines("join", 1), list, [separator]);
}

function replaced(text: string, [from, to, most]: readonly [string, string, bigint?]): string {
  const found = from === "" ? text.length + 1 : text.split(from).length - 1;
  const count = most === undefined || most < 0n ? found : Math.min(found, Number(most));
  limited(text.length + count * Math.max(0, to.length - from.length));
  return answer(
    engines("replace", most === undefined ? 2 : 3),
    text,
    most === undefined ? [from, to] : [from, to, most],
  );
}

/** The pieces of a text, their walks counted; the engine's own are not. A limit of 1 gives the text whole. */
function pieces(text: string, separator: string, limit?: bigint): readonly string[] {
  return Meter.listOf(limit === 1n ? [text] : text.split(separator, limit === undefined ? undefined : Number(limit)));
}

const itemsOf = new WeakMap<CelList, readonly CelValue[]>();

/** Two lists as one flat one: the engine nests them, and `filter()` over thousands of items would exhaust the stack. */
function concatenated(left: CelList, right: CelList): CelList {
  if (left.size + right.size > MAX_MADE_ITEMS) throw new Error(`a list of more than ${MAX_MADE_ITEMS} items`);
  const items = flat(left).concat(flat(right));
  const list = celList(items);
  itemsOf.set(list, items);
  return list;
}

function flat(list: CelList): readonly CelValue[] {
  return itemsOf.get(list) ?? Array.from({ length: list.size }, (_, at) => list.get(at) ?? null);
}

/** Functions that stand in for the engine's of the same name. */
export const BOUNDED_FUNCTIONS: CelFunc[] = [
  celFunc("_+_", [STRING, STRING], STRING, (left, right) => {
    limited(left.length + right.length);
    return left + right;
  }),
  celFunc("_+_", [LIST, LIST], LIST, concatenated),
  celMethod("split", STRING, [STRING], LIST, function (separator) {
    return pieces(this, separator);
  }),
  celMethod("split", STRING, [STRING, INT], LIST, function (separator, limit) {
    return pieces(this, separator, limit);
  }),
  celMethod("join", LIST, [], STRING, function () {
    return joined(this, "");
  }),
  celMethod("join", LIST, [STRING], STRING, function (separator) {
    return joined(this, separator);
  }),
  celMethod("replace", STRING, [STRING, STRING], STRING, function (from, to) {
    return replaced(this, [from, to]);
  }),
  celMethod("replace", STRING, [STRING, STRING, INT], STRING, function (from, to, most) {
    return replaced(this, [from, to, most]);
  }),
  celMethod("format", STRING, [LIST], STRING, function (values) {
    limited(this.length + writtenLength(values));
    return answer(engines("format", 1), this, [values]);
  }),
];
