// Decides whether an id that a caller chose tells who somebody is, or opens something: ids stand unmasked in names and columns.
import { ibans, paymentCards } from "./pii-accounts.ts";
import { emailAddresses, encodedEmailAddresses } from "./pii-addresses.ts";
import { findSecrets } from "./secrets.ts";

/**
 * What an id must not hold but does: an e-mail address, a payment card or a bank account with right check digits, a
 * credential; `undefined` for any other id. Ids are the one thing that is never masked, so one like this is refused.
 */
export function telltaleId(id: string): string | undefined {
  if (id.includes("@") || id.includes("%40")) {
    if (emailAddresses({ text: id, label: "" }).length + encodedEmailAddresses(id).length > 0)
      return "an e-mail address";
  }
  if (findSecrets(id).length > 0) return "a credential";
  // Separators of ids are no part of a number, but may stand before and behind it.
  return [id, ...id.split(/[:._-]/)].map(accountIn).find((each) => each !== undefined);
}

function accountIn(text: string): string | undefined {
  const scanned = { text, label: "" };
  if (/\d{12}/.test(text.replaceAll("-", "")) && paymentCards(scanned).length > 0) return "a payment card's number";
  return ibans(scanned).length > 0 ? "a bank account's number" : undefined;
}
