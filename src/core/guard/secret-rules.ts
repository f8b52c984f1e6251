// Lists what vendors' credentials look like, as data: a text that a token must hold, the token's shape, its least entropy.
//
// Which vendors there are, the words that announce a token and the entropy asked of it follow the rule set of gitleaks
// (https://github.com/gitleaks/gitleaks, MIT License, Copyright (c) 2019 Zachary Rice); the patterns are our own and
// take a token longer than the usual length whole, since what is masked must not leave its end behind.

/** One shape of a credential. */
export interface SecretRule {
  readonly id: string;
  /** Literal texts, one of which every match holds: the cheap look before the pattern. Compared as written. */
  readonly words: readonly string[];
  /** Where it has a group, the group is the credential, else the whole match. */
  readonly pattern: RegExp;
  /** Least Shannon entropy of the credential, in bits per character; 0 asks for none. */
  readonly entropy: number;
}

/** `id words body [entropy]`: words are joined by `|`; the body follows no letter, digit or `_`. */
const TOKENS = `
age-secret-key AGE-SECRET-KEY-1 AGE-SECRET-KEY-1[A-Z0-9]{58}
airtable-token pat pat[A-Za-z0-9]{14}\\.[a-f0-9]{64} 3
alibaba-access-key LTAI LTAI[A-Za-z0-9]{16,30} 2
anthropic-key sk-ant- sk-ant-[a-z]+\\d*-[\\w-]{20,}
artifactory-key AKCp|cmVmd (?:AKCp|cmVmd)[A-Za-z0-9]{50,80} 4
atlassian-token ATATT3|ATCTT3|ATBB (?:AT[AC]TT3[\\w=-]{60,}|ATBB[A-Za-z0-9]{32,})
aws-access-key AKIA|ASIA|ABIA|ACCA|A3T (?:A3T[A-Z0-9]|AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16} 2.5
azure-client-secret Q~ [\\w~.-]{3}\\dQ~[\\w~.-]{31,34} 3
bitbucket-token ATCTT ATCTT[\\w=-]{60,}
brevo-key xkeysib- xkeysib-[a-f0-9]{64}-[A-Za-z0-9]{16}
clickhouse-key 4b1d 4b1d[A-Za-z0-9]{38} 3
clojars-token CLOJARS_ CLOJARS_[a-z0-9]{60}
cloudflare-origin-key v1.0- v1\\.0-[a-f0-9]{24}-[a-f0-9]{100,}
databricks-token dapi dapi[a-f0-9]{32}(?:-\\d)? 3
digitalocean-token _v1_ do[opr]_v1_[a-f0-9]{64}
discord-token M|N|O [MNO][A-Za-z\\d]{23,27}\\.[\\w-]{6}\\.[\\w-]{27,40} 4
docker-token dckr_ dckr_(?:pat|oat)_[\\w-]{20,}
doppler-token dp. dp\\.(?:pt|st|ct|sa|scim|audit)\\.[\\w.]{40,}
dropbox-token sl. sl\\.(?:u\\.)?[\\w-]{60,} 3
duffel-token duffel_ duffel_(?:live|test)_[\\w=-]{40,}
dynatrace-token dt0c01. dt0c01\\.[A-Z0-9]{24}\\.[A-Z0-9]{64}
easypost-key EZ EZ[AT]K[A-Za-z0-9]{54}
facebook-token EAA EAA[A-Za-z0-9]{90,} 4
figma-token fig fig[dou]_[\\w-]{40,} 3
firecrawl-key fc- fc-[a-f0-9]{32} 3
fireworks-key fw_ fw_[A-Za-z0-9]{22,} 3.5
flutterwave-key FLW FLW(?:PUBK|SECK)(?:_TEST)?-[a-h0-9]{32}-X 2
flyio-token fo1_|FlyV1|fm1|fm2 (?:fo1_[\\w-]{43,}|fm[12][ar]?_[\\w+/=]{60,})
frameio-token fio-u- fio-u-[\\w=-]{64}
github-token ghp_|gho_|ghu_|ghs_|ghr_|github_pat_ (?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_\\w{50,}) 3
gitlab-token gl|GR1348941|_gitlab_session= (?:gl(?:agent|cbt|dt|ffct|ft|imt|oas|pat|ptt|rt|soat)-[\\w-]{20,}(?:\\.[\\w.-]{10,})?|GR1348941[\\w-]{20,}) 3
google-key AIza AIza[\\w-]{35} 3.5
google-oauth GOCSPX-|ya29. (?:GOCSPX-[\\w-]{28}|ya29\\.[\\w-]{20,})
grafana-token glc_|glsa_|eyJrIjoi (?:glc_[A-Za-z0-9+/=]{32,}|glsa_[A-Za-z0-9]{32}_[a-fA-F0-9]{8}|eyJrIjoi[A-Za-z0-9+/=]{60,}) 3
groq-key gsk_ gsk_[A-Za-z0-9]{40,}
harness-token pat.|sat. (?:pat|sat)\\.[\\w-]{22}\\.[a-f0-9]{24}\\.[A-Za-z0-9]{20}
heroku-key HRKU- HRKU-[\\w-]{36,}
honeycomb-key hc hc[abx][ilm]k_[a-z0-9]{58,}
hubspot-token pat- pat-(?:na|eu|ap)\\d-[a-f0-9-]{36}
huggingface-token hf_|api_org_ (?:hf_[A-Za-z0-9]{30,}|api_org_[A-Za-z0-9]{34}) 2
infracost-key ico- ico-[A-Za-z0-9]{32} 3
interlock-key ilk_ ilk_[0-9a-f]{48}
intra42-secret s-s4t2 s-s4t2(?:ud|af)-[a-f0-9]{64}
jina-key jina_ jina_[A-Za-z0-9_-]{40,}
langfuse-key -lf- (?:sk|pk)-lf-[a-f0-9-]{36}
langsmith-key lsv2_ lsv2_(?:pt|sk)_[a-f0-9]{32}_[a-f0-9]{10}
linear-key lin_ lin_(?:api|oauth)_[A-Za-z0-9]{32,}
mailchimp-key -us [0-9a-f]{32}-us\\d{1,2}
mailgun-key key- (?:pub)?key-[0-9a-f]{32}
mapbox-token .eyJ [ps]k\\.eyJ[\\w-]{50,}\\.[\\w-]{20,}
maxmind-key _mmk [A-Za-z0-9]{6}_[A-Za-z0-9]{29}_mmk
microsoft-teams-webhook webhook.office.com https://[a-z0-9.-]{1,60}webhook\\.office\\.com/webhookb2/[\\w@/-]{80,}
netlify-token nfp_ nfp_[A-Za-z0-9]{36}
newrelic-key NRAK-|NRAL-|NRII-|NRJS- NR(?:AK|AL|II|JS)-[A-Za-z0-9-]{19,40}
notion-token ntn_|secret_ (?:ntn_[A-Za-z0-9]{40,}|secret_[A-Za-z0-9]{43}) 3.5
npm-token npm_ npm_[A-Za-z0-9]{36} 2
nuget-key oy2 oy2[a-z0-9]{43} 3
nvidia-key nvapi- nvapi-[\\w-]{60,}
octopus-key API- API-[A-Z0-9]{26} 3
onepassword-key A3-|ops_ (?:A3-[A-Z0-9]{6}-(?:[A-Z0-9]{11}|[A-Z0-9]{6}-[A-Z0-9]{5})(?:-[A-Z0-9]{5}){3}|ops_eyJ[\\w+/=-]{200,}) 3.5
openai-key sk- sk-(?:proj|svcacct|admin|or-v1|None)-[\\w-]{20,}|sk-[A-Za-z0-9]{32,} 3
openshift-token sha256~ sha256~[\\w-]{43} 3.5
paypal-token access_token$ access_token\\$(?:production|sandbox)\\$[a-z0-9]{16}\\$[a-f0-9]{32}
perplexity-key pplx- pplx-[A-Za-z0-9]{40,}
pinecone-key pcsk_ pcsk_\\w{50,}
plaid-token access- access-(?:sandbox|development|production)-[a-f0-9-]{36}
planetscale-token pscale_ pscale_(?:tkn|pw|oauth)_[\\w.=-]{32,}
postman-key PMAK- PMAK-[a-f0-9]{24}-[a-f0-9]{34}
posthog-key phx_|phc_ ph[xc]_[A-Za-z0-9]{40,}
prefect-key pnu_ pnu_[A-Za-z0-9]{36}
pulumi-token pul- pul-[a-f0-9]{40}
pypi-token pypi- pypi-AgE[\\w-]{50,}
razorpay-key rzp_ rzp_(?:live|test)_[A-Za-z0-9]{14,}
readme-key rdme_ rdme_[a-z0-9]{70}
render-key rnd_ rnd_[A-Za-z0-9]{28,}
replicate-token r8_ r8_[A-Za-z0-9]{37}
resend-key re_ re_[A-Za-z0-9]{8}_[A-Za-z0-9]{24}
rubygems-key rubygems_ rubygems_[a-f0-9]{48}
scalingo-token tk-us- tk-us-[\\w-]{48}
sendgrid-key SG. SG\\.[\\w-]{16,32}\\.[\\w-]{16,64}
sentry-token sntry sntry(?:s_eyJ[\\w+/=-]{60,}|u_[a-f0-9]{64})
settlemint-token sm_ sm_(?:aat|pat|sat)_[A-Za-z0-9]{16}
shippo-token shippo_ shippo_(?:live|test)_[a-fA-F0-9]{40}
shopify-token shp shp(?:at|ca|pa|ss|tka)_[a-fA-F0-9]{32}
slack-token xox|xapp- (?:xox[abceoprs]-[\\w-]{10,}|xoxe\\.xox[bp]-[\\w-]{20,}|xapp-\\d-[A-Z0-9]+-\\d+-[a-z0-9]+)
slack-webhook hooks.slack.com (?:https?://)?hooks\\.slack\\.com/(?:services|workflows|triggers)/[\\w+/-]{20,80}
sonar-token sq sq[upa]_[a-f0-9]{40}
square-token sq0|EAAA (?:sq0(?:atp|csp|idp)-[\\w-]{22,}|EAAA[\\w-]{60})
stripe-key _live_|_test_|_prod_|whsec_ (?:[srp]k_(?:live|test|prod)_[A-Za-z0-9]{10,}|whsec_[A-Za-z0-9+/=]{20,}) 2
supabase-key sbp_|sb_secret_ (?:sbp_[a-f0-9]{40}|sb_secret_[\\w-]{20,})
tavily-key tvly- tvly-(?:dev-|prod-)?[A-Za-z0-9_-]{20,}
telegram-token :A \\d{8,10}:A[\\w-]{34} 3
tencent-key AKID AKID[A-Za-z0-9]{32} 3
terraform-token .atlasv1. [A-Za-z0-9]{14}\\.atlasv1\\.[\\w=-]{60,}
twilio-key SK SK[0-9a-f]{32} 3
twitter-bearer AAAAAAAAAAAAAAAAAAAAA AAAAAAAAAAAAAAAAAAAAA[\\w%]{50,}
typeform-token tfp_ tfp_[\\w.=-]{40,}
vault-token hvs.|hvb.|hvr. hv[sbr]\\.[\\w-]{24,} 3
vercel-token vc vc[kpir]_[A-Za-z0-9]{24,} 3
voyage-key pa- pa-[A-Za-z0-9_-]{43} 3.5
weaviate-wandb-key wandb_v1_ wandb_v1_\\w{40,}
xai-key xai- xai-[A-Za-z0-9]{60,}
yandex-key AQVN|t1. (?:AQVN[\\w-]{35,38}|t1\\.[A-Z0-9a-z_-]+[=]{0,2}\\.[A-Z0-9a-z_-]{86}[=]{0,2}) 3
`;

/** Shapes that stand by themselves, wherever they stand. */
const OTHERS: readonly (readonly [id: string, words: readonly string[], pattern: RegExp, entropy?: number])[] = [
  [
    "private-key",
    ["PRIVATE KEY"],
    /-----BEGIN[ A-Z0-9_]{0,60}PRIVATE KEY(?: BLOCK)?-----(?:[^-]|-(?!----)){0,20000}(?:-----END[ A-Z0-9_]{0,60}-----)?/g,
  ],
  ["jwt", ["eyJ"], /(?<![A-Za-z0-9_])eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]*/g],
  ["jwt", ["ZXlK"], /(?<![A-Za-z0-9_])ZXlK[A-Za-z0-9+/=]{60,}/g],
  // RFC 3986 §3.2.1: what stands between scheme and host; the user's name may stay, the password not.
  ["url-password", ["://"], /:\/\/[^\s/:@"'`<>[\]{}]{0,100}:([^\s/@"'`<>{}]{3,200})@[\w.[-]/g],
  [
    "azure-storage-key",
    ["AccountKey=", "SharedAccessKey=", "SharedSecretValue="],
    /(?:AccountKey|SharedAccessKey|SharedSecretValue)=([A-Za-z0-9+/]{40,}={0,2})/g,
  ],
  [
    "signed-url",
    ["sig=", "Signature="],
    /[?&](?:sig|X-Amz-Signature|X-Goog-Signature|Signature)=([A-Za-z0-9%+/=_-]{20,})/g,
  ],
  ["connection-password", ["assword=", "wd="], /\b(?:password|pwd)=([^;\s"'&<>[\]{}]{3,200})(?=;|\s|$|["'])/gi],
  [
    "authorization",
    ["earer ", "asic ", "EARER ", "ASIC "],
    /\b(?:bearer|basic)\s{1,3}((?=[A-Za-z._~+/-]{0,40}\d)[A-Za-z0-9._~+/-]{12,}={0,2}|[A-Za-z0-9._~+/-]{24,}={0,2})/gi,
    2.8,
  ],
  [
    "authorization",
    ["uthorization", "UTHORIZATION"],
    /\bauthorization["'\\]{0,4}\s{0,3}[:=]\s{0,3}["'\\]{0,4}(?:[A-Za-z]{1,20}\s)?([^\s"'`<>[\]{},;\\]{8,400})/gi,
    2.8,
  ],
  ["discord-webhook", ["/api/webhooks/"], /discord(?:app)?\.com\/api\/webhooks\/(\d{10,25}\/[\w-]{50,90})/g],
  [
    "aws-secret-key",
    ["aws", "AWS", "ecret"],
    /(?:aws|secret)[\w .-]{0,30}?(?:key|access)[\w .-]{0,20}["'\\]{0,4}\s{0,3}[:=]\s{0,3}["'\\]{0,4}([A-Za-z0-9/+]{40})(?![A-Za-z0-9/+=])/gi,
    3.5,
  ],
  ["cookie", ["ookie:", "OOKIE:"], /\b(?:set-)?cookie:\s{0,3}([^\r\n"'[\]]{8,1000})/gi],
];

/** Shapes with words or white space in them: looked for in the whole text. */
export const TEXT_RULES: readonly SecretRule[] = OTHERS.map(([id, words, pattern, entropy = 0]) => ({
  id,
  words,
  pattern,
  entropy,
}));

/** Shapes of vendors' tokens: each match stands in one stretch of `TOKEN_RUN`. */
export const TOKEN_RULES: readonly SecretRule[] = TOKENS.trim()
  .split("\n")
  .map((line) => {
    const [id = "", words = "", body = "", entropy = "0"] = line.split(" ");
    const pattern = new RegExp(String.raw`(?<![A-Za-z0-9_])(?:${body})`, "g");
    return { id, words: words.split("|"), pattern, entropy: Number(entropy) };
  });

/** Characters that tokens are made of, as many as the shortest one has. Most of a text has no such stretch. */
export const TOKEN_RUN = /[\w\-+/=.~$:@%]{16,}/g;
