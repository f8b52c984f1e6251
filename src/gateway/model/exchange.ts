// Puts a call into the words of the provider that is asked: the caller's own bytes where they agree, translated where they do not.
import type { ModelCall } from "../../core/call.ts";
import type { ProviderEntry } from "../../core/config/document.ts";
import type { Conversation } from "../../core/dialect/conversation.ts";
import { isGenerating, type Dialect, type GeneratingDialect, type Minted } from "../../core/dialect/dialect.ts";
import { estimateTokens } from "../../core/dialect/count-tokens/estimate.ts";
import { providerDialects } from "../../core/dialect/provider-dialects.ts";
import { codecOf, wireOf } from "../../core/dialect/registry.ts";
import { accept, refuse, type Outcome } from "../../core/errors.ts";
import { isJsonObject, type JsonObject } from "../../core/json/canonical.ts";
import { parseExactJson, TOO_DEEP } from "../../core/json/exact.ts";
import { locateMembers } from "../../core/json/members.ts";
import { originalName, safeName } from "../../core/dialect/tool-names.ts";
import { withoutTaken } from "../../core/release/prompt.ts";
import type { Candidate, RoutePlan } from "../../core/routing/plan.ts";
import { embedsAsGoogle, wordEmbeddings } from "./embedding-words.ts";
import { StreamTranslation } from "./stream-translation.ts";

/** A call as one provider gets it. */
export interface Exchange {
  /** What the provider speaks. */
  readonly dialect: Dialect;
  readonly body: string;
  /** What the caller said that the provider has no word for and that changes no meaning. */
  readonly hints: readonly string[];
  /** How its answer comes back; `undefined` where it passes as it is. */
  readonly translation: Translation | undefined;
}

/** The way back of a translated call. */
export interface Translation {
  /** A whole answer in the caller's dialect; refuses `upstream_failed` for what is none. */
  whole(text: string): Outcome<string>;
  /** A provider's error in the caller's dialect. */
  error(text: string, status: number): string;
  /** A stream's way back. */
  stream(): StreamTranslation;
}

/** How an exchange is worded. */
export interface Wording {
  /** Output tokens per choice that the hold pays for. */
  readonly maxOutput: number | undefined;
  /** What minted ids are made of. */
  readonly seed: string;
  readonly nowMs: number;
}

/** Words one call for its candidates: what it says is read once, however many of them are asked. */
export class Wordings {
  readonly #call: ModelCall;
  readonly #plan: Pick<RoutePlan, "system" | "takenIn">;
  #body: Outcome<JsonObject> | undefined;
  #conversation: Outcome<Conversation> | undefined;

  constructor(call: ModelCall, plan: Pick<RoutePlan, "system" | "takenIn">) {
    this.#call = call;
    this.#plan = plan;
  }

  /** The call for one candidate; refuses `untranslatable` and `invalid_request`, naming each field. */
  for({ model }: Candidate, wording: Wording): Outcome<Exchange> {
    const { dialect } = this.#call;
    const spoken = providerDialects(model.provider);
    if (spoken.includes(dialect)) return this.#passing(model.provider, model.upstreamName, wording);
    if (dialect === "embeddings" && embedsAsGoogle(model.provider)) return this.#embedded(model.upstreamName);
    const other = spoken.find(isGenerating);
    if (!isGenerating(dialect) || other === undefined)
      return refuse("untranslatable", `model "${model.name}" does not answer this kind of call`);
    return this.#translated(
      { from: dialect, to: other },
      { model: model.upstreamName, provider: model.provider },
      wording,
    );
  }

  #passing(provider: ProviderEntry, model: string, { maxOutput }: Wording): Outcome<Exchange> {
    const { dialect, fields, body } = this.#call;
    const edits = { model, maxOutput, isOpenAi: isOpenAi(provider) };
    const shape = shapeOf(dialect);
    if (this.#plan.system === undefined || shape === undefined)
      return accept({ dialect, body: wireOf(dialect).edited(body, fields, edits), hints: [], translation: undefined });
    const read = this.#readBody();
    if (!read.ok) return read;
    const text = JSON.stringify(codecOf(shape).withSystem(read.value, this.#plan.system));
    const extended = locateMembers(text) ?? body;
    return accept({
      dialect,
      body: wireOf(dialect).edited(extended, fields, edits),
      hints: [],
      translation: undefined,
    });
  }

  #embedded(model: string): Outcome<Exchange> {
    const body = this.#readBody();
    const worded = body.ok ? wordEmbeddings(body.value, model) : body;
    return worded.ok ? accept({ dialect: "embeddings", ...worded.value }) : worded;
  }

  #translated(
    { from, to }: { readonly from: GeneratingDialect; readonly to: GeneratingDialect },
    { model, provider }: { readonly model: string; readonly provider: ProviderEntry },
    { maxOutput = 1, seed, nowMs }: Wording,
  ): Outcome<Exchange> {
    const { fields } = this.#call;
    const conversation = this.conversation();
    if (!conversation.ok) return conversation;
    const written = codecOf(to).writeRequest(conversation.value, { model, maxOutput, isOpenAi: isOpenAi(provider) });
    if (!written.ok) return written;
    const minted: Minted = {
      createdS: Math.floor(nowMs / 1000),
      seed,
      model,
      wantsUsage: fields.wantsUsage,
      ...(from === "messages" && fields.isStream ? this.#estimate() : {}),
    };
    return accept({
      dialect: to,
      body: JSON.stringify(written.value),
      hints: conversation.value.hints,
      translation: translation(from, to, { minted, names: alteredNames(conversation.value) }),
    });
  }

  /** Anthropic's streams begin with the prompt's tokens, which nobody knows yet. */
  #estimate(): Pick<Minted, "inputTokens"> {
    const body = this.#readBody();
    const size = { bytes: this.#call.bodyBytes, text: this.#call.body.text };
    return body.ok ? { inputTokens: estimateTokens(body.value, size) } : {};
  }

  /** What the call says, in no dialect's words; refuses what has none. */
  conversation(): Outcome<Conversation> {
    this.#conversation ??= this.#readConversation();
    return this.#conversation;
  }

  #readConversation(): Outcome<Conversation> {
    const { dialect, fields } = this.#call;
    if (!isGenerating(dialect)) return refuse("untranslatable", "only calls that generate have a conversation");
    const read = this.#readBody();
    if (!read.ok) return read;
    const body =
      this.#plan.system === undefined ? read.value : codecOf(dialect).withSystem(read.value, this.#plan.system);
    return codecOf(dialect).readRequest(body, fields);
  }

  #readBody(): Outcome<JsonObject> {
    this.#body ??= this.#readOnce();
    return this.#body;
  }

  #readOnce(): Outcome<JsonObject> {
    const read = readExact(this.#call.body.text);
    return read.ok ? accept(withoutTaken(read.value, this.#plan.takenIn ?? [])) : read;
  }
}

/** The dialect whose requests a call has the shape of: what is counted is a message. */
function shapeOf(dialect: Dialect): GeneratingDialect | undefined {
  if (dialect === "count_tokens") return "messages";
  return isGenerating(dialect) ? dialect : undefined;
}

function isOpenAi({ kind }: ProviderEntry): boolean {
  return kind === "openai" || kind === "azure-openai";
}

/** A body whose every number is exact: rebuilt, it says what it said. */
function readExact(text: string): Outcome<JsonObject> {
  const read = parseExactJson(text);
  if (read.ok)
    return isJsonObject(read.value) ? accept(read.value) : refuse("invalid_request", "the body is not a JSON object");
  if (read.reason === "too_deep") return refuse("invalid_request", TOO_DEEP);
  if (read.reason === "syntax") return refuse("invalid_request", "the body is not valid JSON");
  return refuse("untranslatable", `${read.path}: ${read.source} would not stay the same in another dialect`, {
    mistakes: [{ path: read.path, message: "expected a number or text that stays exact" }],
  });
}

/** The names of offered tools that a provider got in other letters. */
function alteredNames({ tools }: Conversation): readonly string[] {
  return tools.map(({ name }) => name).filter((name) => safeName(name) !== name);
}

/** Likelihoods in Gemini's answers, which no other dialect has: Google writes more digits than a double holds. */
const UNREAD: ReadonlySet<string> = new Set(["avgLogprobs", "logProbability", "probabilityScore", "severityScore"]);

function translation(
  from: GeneratingDialect,
  to: GeneratingDialect,
  { minted, names }: { readonly minted: Minted; readonly names: readonly string[] },
): Translation {
  const caller = codecOf(from);
  const provider = codecOf(to);
  return {
    whole: (text) => {
      const read = parseExactJson(text, UNREAD);
      if (!read.ok || !isJsonObject(read.value))
        return refuse("upstream_failed", "the model provider's answer cannot be read without changing it");
      const reply = provider.readReply(read.value);
      if (!reply.ok) return reply;
      const parts = reply.value.parts.map((part) =>
        "name" in part ? { ...part, name: originalName(part.name, names) } : part,
      );
      return accept(JSON.stringify(caller.writeReply({ ...reply.value, parts }, minted)));
    },
    error: (text, status) => JSON.stringify(caller.writeError(provider.readError(text, status))),
    stream: () => new StreamTranslation(provider.streamReader(), caller.streamWriter(minted), names),
  };
}
