/**
 * A text without what looks like a login: a password in a URL, a header or a token. What we ourselves send is taken out
 * of a server's answer before this (see internal/kube/own-secrets.ts); this is for the texts of others.
 *
 * Each expression begins at a fixed word or at the start of a word, so that its time grows with the text's length only.
 */
export function hideSecrets(text: string): string {
  return text
    .replace(/:\/\/[^\s/?#@"'<>]+@/g, "://***@")
    .replace(/(authorization[\s\\"'[:=]*)(bearer|basic|negotiate|digest)\s+[^\s"'\\,\]]+/gi, "$1$2 ***")
    .replace(/(authorization[\\"']*\s?[:=][\s\\"'[]*)[^\s"'\\,\]]{20,}/gi, "$1***")
    .replace(/\b(bearer)(\s+)[\w.~+/=-]{16,}/gi, "$1$2***")
    .replace(/(?<![\w-])eyJ[\w-]{6,}\.[\w.-]+/g, "***");
}
