// Measures which credentials are found in a text, and that what only looks like one is left alone.
import { describe, expect, it, test } from "vitest";
import { telltaleId } from "../../src/core/guard/caller-id.ts";
import { findSecrets, isSecretName } from "../../src/core/guard/secrets.ts";
import { LOOK_ALIKES, throwAnew } from "./look-alikes.ts";
import { SECRETS, SPOKEN } from "./secret-fixtures.ts";
import { cpuMs } from "./cpu-time.ts";

throwAnew();

const found = (text: string, label = ""): readonly string[] =>
  findSecrets(text, label).map(({ start, end }) => text.slice(start, end));

describe("a vendor's credential", () => {
  it.each(Object.entries(SECRETS))("of %s is found whole, wherever it stands", (_, make) => {
    for (let run = 0; run < 5; run += 1) {
      const secret = make();
      for (const text of [secret, `use ${secret} now`, `{"value":"${secret}"}`, `x=${secret}&y=1`, `(${secret})`])
        expect(found(text), text).toContain(secret);
    }
  });
});

test("a credential behind words that say so is found, and the words are left", () => {
  for (const make of SPOKEN) {
    for (let run = 0; run < 5; run += 1) {
      const [text, secret] = make();
      expect(found(text), text).toContain(secret);
    }
  }
});

describe("a field that holds a credential", () => {
  it.each(["password", "client_secret", "X-Api-Key", "refreshToken", "Authorization", "db_password", "cookie"])(
    "is one by its name: %s",
    (name) => {
      expect(isSecretName(name)).toBe(true);
      expect(found("hunter2", name)).toEqual(["hunter2"]);
    },
  );
  it.each(["max_tokens", "token", "key", "keyboard", "secretary", "idempotency_key", "password_reset_sent_at"])(
    "is none by its name: %s",
    (name) => expect(isSecretName(name)).toBe(false),
  );
});

const CLEAN = [
  "set OPENAI_API_KEY=$OPENAI_API_KEY and password: ${DB_PASSWORD}",
  "the token is missing",
  "password: required",
  "secret: {{ vault.path }}",
  "the api key is in the vault",
  "Bearer authentication is used",
  "next token: the",
  "max_tokens=4096, tokens: 1748503543012",
  "secret_key = process.env.SECRET_KEY",
  "https://example.com/path?signature=none",
  "an access token is issued per user",
  "AKIAIOSFODNN7EXAMPLE",
  "function getToken(password: string): Secret {",
  "deployed 8f14e45fceea167a5a36dedd4bea2543 of sourcegraph",
  "sk-learn and sk-toolkit are packages",
  "key-value store, pat-on-the-back, re_run_it_again",
  "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
];

test("what only looks like a credential is left", () => {
  for (const text of CLEAN) expect(found(text), text).toEqual([]);
  const shapes = Object.entries(LOOK_ALIKES);
  const taken = shapes.flatMap(([shape, make]) =>
    Array.from({ length: 40 }, make).flatMap((text) => (findSecrets(text).length > 0 ? [`${shape}: ${text}`] : [])),
  );
  console.log(
    `secrets: ${Object.keys(SECRETS).length} vendors found; look-alikes taken ${taken.length}/${shapes.length * 40}`,
  );
  expect(taken.length / (shapes.length * 40)).toBeLessThanOrEqual(0.01);
});

test("time grows no faster than the text", () => {
  const hostile = [
    "eyJ",
    "-----BEGIN PRIVATE KEY-----\n",
    "api_key=",
    "://a:",
    "sk-",
    "aws secret key",
    "Bearer ",
    "password is ",
  ];
  for (const each of hostile) {
    const timeOf = (length: number): number => {
      const text = each.repeat(Math.ceil(length / each.length)).slice(0, length);
      return cpuMs(() => findSecrets(text), 2);
    };
    timeOf(4_000);
    const [short, long] = [timeOf(32_000), timeOf(256_000)];
    expect(long, `${JSON.stringify(each)}: ${short.toFixed(1)} ms, then ${long.toFixed(1)} ms`).toBeLessThan(
      8 * 4 * short + 40,
    );
  }
}, 60_000);

describe("an id that a caller chose", () => {
  it.each([
    ["an e-mail address", "jane@example.com"],
    ["an encoded e-mail address", "user:jane%40example.com"],
    ["a card's number", "refund-4111111111111111"],
    ["a bank account", "DE89370400440532013000"],
    ["a credential", SECRETS["stripe"]?.() ?? ""],
  ])("is refused with %s in it", (_, id) => expect(telltaleId(id)).toBeDefined());
  it.each(["s-1", "2026-11-25T10:00:00Z", "order-12345678", "4bf92f3577b34da6a3ce929d0e0e4736", "user_8812", "a:b:c"])(
    "is taken: %s",
    (id) => expect(telltaleId(id)).toBeUndefined(),
  );
});
