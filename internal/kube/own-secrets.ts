import type { Headers } from "./credentials.ts";

/** What is so short may stand in any text by chance. */
const SHORTEST = 4;

/**
 * A function that takes what we sent out of a server's answer: some servers and proxies echo the headers of a request that
 * they refuse.
 */
export function hideOwnSecrets(headers: Headers): (text: string) => string {
  const sent = [headers["authorization"] ?? []].flat();
  const secrets = sent
    .flatMap((header) => {
      const value = header.replace(/^\S+\s+/, "");
      if (!/^basic /i.test(header)) return [value];
      const login = Buffer.from(value, "base64").toString("utf8");
      return [value, login, login.slice(login.indexOf(":") + 1)];
    })
    .flatMap((secret) => [secret, encodeURIComponent(secret), JSON.stringify(secret).slice(1, -1)])
    .filter((secret) => secret.length >= SHORTEST)
    // The longest first: a shorter one may be a part of it.
    .toSorted((a, b) => b.length - a.length);
  return (text) => secrets.reduce((shown, secret) => shown.replaceAll(secret, "***"), text);
}
