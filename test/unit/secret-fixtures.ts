// Puts together texts of the shape of vendors' credentials at run time: none of them opens anything, and none stands in a file.
import { dice } from "./look-alikes.ts";

const roll = dice(20_261_126);
const of = (alphabet: string) => (count: number) =>
  Array.from({ length: count }, () => alphabet[roll(alphabet.length)]).join("");
const UPPER = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const LOWER = UPPER.toLowerCase();
const alnum = of(`${UPPER}${LOWER}0123456789`);
const hex = of("0123456789abcdef");
const upper = of(`${UPPER}234567`);
const letters = of(`${UPPER}${LOWER}`);
const lower = of(`${LOWER}0123456789`);
const digits = of("0123456789");
const uuid = (): string => [8, 4, 4, 4, 12].map(hex).join("-");
const j = (...parts: readonly string[]): string => parts.join("");
const b64 = (text: string): string => btoa(text).replaceAll("=", "").replaceAll("+", "-").replaceAll("/", "_");

/** Credentials by the vendor whose they would be. */
export const SECRETS: Readonly<Record<string, () => string>> = {
  age: () => j("AGE-SECRET-", "KEY-1", upper(58)),
  airtable: () => j("pat", alnum(14), ".", hex(64)),
  alibaba: () => j("LTAI", alnum(20)),
  anthropic: () => j("sk-", "ant-api03-", alnum(93), "AA"),
  "anthropic admin": () => j("sk-", "ant-admin01-", alnum(93), "AA"),
  artifactory: () => j("AKC", "p", alnum(69)),
  atlassian: () => j("ATA", "TT3", alnum(186)),
  aws: () => j("AK", "IA", upper(16)),
  "aws session": () => j("AS", "IA", upper(16)),
  brevo: () => j("xkeysib", "-", hex(64), "-", alnum(16)),
  "cloudflare origin": () => j("v1", ".0-", hex(24), "-", hex(146)),
  databricks: () => j("da", "pi", hex(32)),
  digitalocean: () => j("dop", "_v1_", hex(64)),
  discord: () => j("M", alnum(25), ".", alnum(6), ".", alnum(38)),
  docker: () => j("dckr", "_pat_", alnum(27)),
  doppler: () => j("dp", ".pt.", alnum(43)),
  dynatrace: () => j("dt0", "c01.", upper(24), ".", upper(64)),
  easypost: () => j("EZ", "AK", alnum(54)),
  figma: () => j("fig", "d_", alnum(43)),
  flutterwave: () => j("FLW", "SECK_TEST-", hex(32).replaceAll(/\d/g, "a").replaceAll(/[i-z]/g, "b"), "-X"),
  github: () => j("gh", "p_", alnum(36)),
  "github app": () => j("gh", "s_", alnum(36)),
  "github fine-grained": () => j("github", "_pat_", alnum(82)),
  gitlab: () => j("gl", "pat-", alnum(20)),
  google: () => j("AI", "za", alnum(35)),
  "google oauth": () => j("GOC", "SPX-", alnum(28)),
  "google access": () => j("ya", "29.", alnum(60)),
  grafana: () => j("gl", "sa_", alnum(32), "_", hex(8)),
  groq: () => j("gs", "k_", alnum(52)),
  heroku: () => j("HRKU", "-AA", alnum(58)),
  hubspot: () => j("pat", "-na1-", uuid()),
  huggingface: () => j("h", "f_", letters(34)),
  interlock: () => j("il", "k_", hex(48)),
  langfuse: () => j("sk", "-lf-", uuid()),
  langsmith: () => j("lsv2", "_pt_", hex(32), "_", hex(10)),
  linear: () => j("lin", "_api_", alnum(40)),
  mailchimp: () => j(hex(32), "-us", "12"),
  mailgun: () => j("ke", "y-", hex(32)),
  netlify: () => j("nf", "p_", alnum(36)),
  newrelic: () => j("NR", "AK-", upper(27)),
  notion: () => j("nt", "n_", alnum(46)),
  npm: () => j("np", "m_", alnum(36)),
  nvidia: () => j("nva", "pi-", alnum(64)),
  openai: () => j("s", "k-", alnum(20), "T3Blbk", "FJ", alnum(20)),
  "openai project": () => j("s", "k-proj-", alnum(48)),
  openrouter: () => j("s", "k-or-v1-", hex(64)),
  perplexity: () => j("pp", "lx-", alnum(48)),
  pinecone: () => j("pc", "sk_", alnum(60)),
  plaid: () => j("access", "-production-", uuid()),
  planetscale: () => j("psc", "ale_pw_", alnum(43)),
  postman: () => j("PM", "AK-", hex(24), "-", hex(34)),
  pulumi: () => j("pu", "l-", hex(40)),
  pypi: () => j("py", "pi-AgEIcHlwaS5vcmc", alnum(70)),
  razorpay: () => j("rzp", "_live_", alnum(14)),
  replicate: () => j("r", "8_", alnum(37)),
  resend: () => j("r", "e_", alnum(8), "_", alnum(24)),
  rubygems: () => j("ruby", "gems_", hex(48)),
  sendgrid: () => j("S", "G.", alnum(22), ".", alnum(43)),
  sentry: () => j("sntr", "yu_", hex(64)),
  shopify: () => j("shp", "at_", hex(32)),
  "slack bot": () => j("xo", "xb-", digits(12), "-", digits(12), "-", alnum(24)),
  "slack hook": () => j("https://hooks.", "slack.com/services/T", upper(8), "/B", upper(8), "/", alnum(24)),
  sonar: () => j("sq", "p_", hex(40)),
  square: () => j("sq0", "atp-", alnum(22)),
  stripe: () => j("s", "k_live_", alnum(24)),
  "stripe webhook": () => j("wh", "sec_", alnum(32)),
  supabase: () => j("sb", "p_", hex(40)),
  tavily: () => j("tv", "ly-", alnum(32)),
  telegram: () => j(digits(10), ":A", "A", alnum(33)),
  terraform: () => j(alnum(14), ".atlas", "v1.", alnum(64)),
  twilio: () => j("S", "K", hex(32)),
  typeform: () => j("tf", "p_", alnum(59)),
  vault: () => j("hv", "s.", alnum(95)),
  xai: () => j("xa", "i-", alnum(80)),
  jwt: () => j(b64('{"alg":"HS256","typ":"JWT"}'), ".", b64(`{"sub":"${lower(10)}","exp":1}`), ".", alnum(43)),
  "private key": () =>
    j("-----BEGIN RSA PRI", "VATE KEY-----\n", alnum(64), "\n", alnum(64), "\n-----END RSA PRI", "VATE KEY-----"),
};

/** Texts in which a credential stands behind words that say so; the second is the credential. */
export const SPOKEN: readonly (() => readonly [text: string, secret: string])[] = [
  () => around("api_key = '", alnum(32), "'"),
  () => around("API-Key: ", hex(32), ""),
  () => around("use access token: ", alnum(40), " for it"),
  () => around("password=", `${lower(6)}!${digits(2)}`, ";"),
  () => around("the password is ", `${letters(8)}${digits(2)}`, ", ok?"),
  () => around('{"client_secret":"', alnum(30), '"}'),
  () => around("Authorization: Bearer ", alnum(40), ""),
  () => around("curl -H 'Authorization: Basic ", btoa(`user:${alnum(12)}`), "' https://x.example"),
  () => around("postgres://app:", alnum(12), "@db.example:5432/main"),
  () => around("redis://:", alnum(16), "@cache:6379"),
  () => around("https://bob:", `${lower(8)}7`, "@git.example/repo.git"),
  () => around("Server=db;User Id=sa;Password=", `${alnum(10)}!`, ";Encrypt=true"),
  () => around("AccountName=a;AccountKey=", `${alnum(86)}==`, ";EndpointSuffix=core.windows.net"),
  () => around("aws_secret_access_key = ", alnum(40), ""),
  () => around("https://a.blob.example/c?sv=2024&sig=", alnum(43), "&se=2026"),
];

function around(before: string, secret: string, behind: string): readonly [string, string] {
  return [before + secret + behind, secret];
}
